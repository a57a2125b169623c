"""A task's life on a real API server, the test playing the node."""

import asyncio

import pytest

from egress_api.constants import RESULTS_FINALIZER
from egress_api.page import PageReport, Sandbox, Step
from egress_api.results import RecorderPhase
from egress_api.states import Reason
from support.operator_world import PAGE, World, ago
from support.summaries import failed, live, playlist, summary


async def test_from_task_to_processing_to_stopped_with_files(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        task = await world.create_task("first")
        pod = await world.until_pod("first")
        assert pod["metadata"]["finalizers"] == [RESULTS_FINALIZER]
        assert pod["metadata"]["ownerReferences"][0]["uid"] == task["metadata"]["uid"]
        world.live = live()
        await world.start_recording("first")
        await world.until_state("first", "PROCESSING")

        async def files() -> object:
            return (await world.status("first")).get("files")

        assert await world.until("files in the status", files)
        await world.stop_task("first")
        await world.until_told("first-1", "true", what="stop")
        await world.until_state("first", "STOPPING")
        await world.end_pod("first-1", message=summary())
        status = await world.until_state("first", "STOPPED", reason="StopRequested")
        assert [file["name"] for file in status["files"]] == [playlist().name]
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "Accepted": "True",
            "PodScheduled": "True",
            "Recording": "False",
            "Uploaded": "True",
            "Complete": "True",
            "Failed": "False",
        }
        await world.kubelet_lets_go("first-1")
        await world.until_pod_gone("first-1")


async def test_a_change_of_files_is_written_and_growth_is_not(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        world.live = live(seconds=4)
        await world.create_task("grows")
        await world.start_recording("grows")

        async def seconds() -> float | None:
            files = (await world.status("grows")).get("files")
            return files[0]["durationSeconds"] if files else None

        assert await world.until("files", seconds) == 4
        version = (await world.task("grows"))["metadata"]["resourceVersion"]
        for second in (5, 6, 7):
            world.live = live(seconds=second)
            await asyncio.sleep(0.3)  # longer than a poll: a write would have been made
        assert (await world.task("grows"))["metadata"]["resourceVersion"] == version
        world.live = live(seconds=40, phase=RecorderPhase.FINALIZING)

        async def longer() -> bool:
            return await seconds() == 40

        await world.until("the longer file", longer)


async def test_a_page_tells_its_steps_before_its_pod_is_ready(world: World) -> None:
    web = {"recorder": {"image": "egress-recorder:test", "web": {"image": "web:test"}}}
    async with world.recorder_answers(), world.operator(**web):
        await world.create_task("page", **PAGE, start={"when": "console"})
        pod = await world.until_pod("page")
        assert pod["metadata"]["labels"]["egress-operator.dev/layout"] == "freestyle"
        await world.bind("page-1")
        world.live = live(
            files=[], files_total=0, joined_at=None, first_frame_at=None,
            page=PageReport(sandbox=Sandbox.OFF, http_status=200, loaded=Step(done=True, reason="Loaded")),
        )  # fmt: skip
        await world.run_pod("page-1", ready=False)

        async def loaded() -> dict[str, str] | None:
            status = await world.status("page")
            steps = {c["type"]: c["status"] for c in status.get("conditions", [])}
            return status if steps.get("PageLoaded") == "True" else None

        status = await world.until("PageLoaded", loaded)
        assert (status["state"], status["reason"]) == ("ENQUEUED", "PodStarting")
        assert "has not logged START_RECORDING yet" in status["message"]
        assert status["page"] == {"sandbox": "off", "httpStatus": 200, "reloads": 0}
        done = Step(done=True, reason="Done")
        world.live = live(page=PageReport(sandbox=Sandbox.OFF, loaded=done, ready=done, first_frame=done))
        await world.run_pod("page-1")
        await world.until_state("page", "PROCESSING", reason="Recording")
        await world.end_pod("page-1", message=summary(reason=Reason.PAGE_ENDED))
        await world.until_state("page", "STOPPED", reason="PageEnded")


async def test_events_tell_what_goes_otherwise_than_asked_and_nothing_else(world: World) -> None:
    async with world.operator():
        await world.create_task("asked")
        await world.start_recording("asked")
        await world.until_state("asked", "PROCESSING")
        await world.stop_task("asked")
        await world.until_told("asked-1", "true", what="stop")
        await world.end_pod("asked-1", message=summary())
        await world.until_state("asked", "STOPPED")
        await world.create_task("fails")
        await world.start_recording("fails")
        await world.end_pod("fails-1", message=failed(Reason.JOIN_REFUSED, retryable=False), exit_code=1)
        await world.until_state("fails", "FAILED")

        async def told() -> list[str]:
            return [event["action"] for event in await world.events("fails")]

        assert await world.until("an Event", told) == ["FAILED"]
        assert await world.events("asked") == []


async def test_stop_before_there_is_a_pod(world: World) -> None:
    await world.create_task("early", stop=True)
    async with world.operator():
        await world.until_state("early", "STOPPED", reason="StoppedBeforeStart")
        assert await world.pods() == []


async def test_stop_while_the_pod_waits_for_a_node(world: World) -> None:
    async with world.operator():
        await world.create_task("waits")
        await world.until_pod("waits")
        await world.unschedulable("waits-1", "0/1 nodes are available: 1 Insufficient cpu")
        await world.until_state("waits", "ENQUEUED", reason="Unschedulable")
        await world.stop_task("waits")
        await world.until_state("waits", "STOPPED", reason="StoppedBeforeStart")
        await world.until_pod_gone("waits-1")


async def test_a_pod_that_gets_no_node_ends_in_timeout(world: World) -> None:
    async with world.operator():
        await world.create_task("late", limits={"enqueueTimeoutSeconds": 3})
        await world.until_pod("late")
        await world.unschedulable("late-1", "0/1 nodes are available: 1 Insufficient cpu")
        status = await world.until_state("late", "TIMEOUT", reason="Unschedulable")
        assert "Insufficient cpu" in status["message"]
        await world.until_pod_gone("late-1")


async def test_an_image_that_is_not_there_ends_in_failed(world: World) -> None:
    async with world.operator():
        await world.create_task("noimage")
        await world.until_pod("noimage")
        await world.bind("noimage-1")
        await world.waiting(
            "noimage-1", reason="ImagePullBackOff", message="not found", since=ago(seconds=70)
        )
        status = await world.until_state("noimage", "FAILED", reason="ImagePullFailed")
        assert "not found" in status["message"]
        await world.kubelet_lets_go("noimage-1")
        await world.until_pod_gone("noimage-1")


async def test_a_missing_secret_is_named_from_the_pods_events(world: World) -> None:
    async with world.operator():
        await world.create_task("nosecret")
        pod = await world.until_pod("nosecret")
        await world.bind("nosecret-1")
        await world.cluster.request(
            "POST",
            f"/api/v1/namespaces/{world.namespace}/events",
            body={
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": "mount", "namespace": world.namespace},
                "involvedObject": {
                    "kind": "Pod",
                    "namespace": world.namespace,
                    "name": "nosecret-1",
                    "uid": pod["metadata"]["uid"],
                },
                "reason": "FailedMount",
                "type": "Warning",
                "message": 'MountVolume.SetUp failed for volume "token" : secret "some-token" not found',
            },
        )
        await world.waiting("nosecret-1", reason="ContainerCreating", since=ago(seconds=5))
        status = await world.until_state("nosecret", "ENQUEUED", reason="SecretMissing")
        assert "some-token" in status["message"]


@pytest.mark.parametrize("state", ["ENQUEUED", "FAILED"])
async def test_what_the_recorder_says_decides_on_another_attempt(world: World, state: str) -> None:
    retryable = state == "ENQUEUED"
    async with world.operator():
        await world.create_task("fails")
        await world.until_pod("fails")
        await world.bind("fails-1")
        await world.run_pod("fails-1", ready=False)
        await world.end_pod(
            "fails-1", message=failed(Reason.SOURCE_UNREACHABLE, retryable=retryable), exit_code=1
        )
        await world.until_state("fails", state, reason="Retrying" if retryable else "SourceUnreachable")
        await world.kubelet_lets_go("fails-1")
        await world.until_pod_gone("fails-1")
        if retryable:
            await world.until_pod("fails", attempt=2)


async def test_a_drained_pod_goes_on_in_a_second_attempt(world: World) -> None:
    async with world.operator():
        await world.create_task("drained")
        await world.start_recording("drained")
        await world.until_state("drained", "PROCESSING")
        await world.delete_pod("drained-1")
        await world.until_state("drained", "PROCESSING", reason="PodDeleted")
        assert await world.pod("drained-2") is None
        await world.end_pod("drained-1", message=summary())
        await world.start_recording("drained", attempt=2)
        status = await world.until_state("drained", "PROCESSING", reason="Recording")
        assert (status["attempt"], status["podName"]) == (2, "drained-2")
        assert [file["name"] for file in status["files"]] == [playlist().name]
        await world.kubelet_lets_go("drained-1")
        await world.until_pod_gone("drained-1")
        await world.stop_task("drained")
        await world.until_told("drained-2", "true", what="stop")
        await world.end_pod("drained-2", message=summary(attempt=2))
        await world.until_state("drained", "STOPPED", reason="StopRequested")
