"""What goes wrong while it is recorded, on a real API server: gaps, uploads, a lost node, a playlist left open."""

from datetime import timedelta
from typing import Any

import pytest

from egress_api.constants import EVERYONE
from egress_api.recorder import RecorderConfig
from egress_api.results import LiveReport, RecorderPhase
from egress_api.states import GapReason, Reason
from egress_api.status import Gap, Verdict
from support.operator_world import World
from support.summaries import START, failed, live, playlist, summary

GAP = Gap(started_at=START + timedelta(seconds=9), seconds=1.25, reason=GapReason.CAPTURE_RESTARTED)
TOLD = {"startedAt": "2026-11-23T05:11:31.000Z", "seconds": 1.25, "reason": "CaptureRestarted"}


async def _recording(world: World, name: str, report: LiveReport, **spec: Any) -> None:
    world.live = report
    await world.create_task(name, **spec)
    await world.start_recording(name)
    await world.until_state(name, "PROCESSING", reason="Recording")


async def _until_condition(world: World, name: str, kind: str, reason: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        conditions = (await world.status(name)).get("conditions", [])
        return next((c for c in conditions if (c["type"], c["reason"]) == (kind, reason)), None)

    found: dict[str, Any] = await world.until(f"{kind} with {reason}", look)
    return found


async def test_a_gap_is_told_at_once_and_outlives_the_pod(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "gap", live())
        world.live = live(gaps=[GAP], lost_seconds=1.25)

        async def told() -> bool:
            return (await world.status("gap")).get("gaps") == [TOLD]

        await world.until("the gap", told)
        status = await world.status("gap")
        assert status["lostSeconds"] == 1.25
        assert status["message"].endswith("1.2 s are missing in 1 gap")
        await world.delete_pod("gap-1")
        await world.end_pod("gap-1", message=summary(gaps=[]))
        await world.until_pod("gap", attempt=2)
        assert (await world.status("gap"))["gaps"] == [TOLD]
        events = [event for event in await world.events("gap") if event["reason"] == "GapFound"]
        assert [event["type"] for event in events] == ["Warning"]


async def test_uploads_that_fail_are_told_and_that_they_work_again(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "store", live())
        world.live = live(
            pending_bytes=3_000_000,
            upload_error="s3://recordings refused to write 000007.ts: AccessDenied.",
            upload_reason=Reason.STORE_REFUSED,
        )
        condition = await _until_condition(world, "store", "Uploaded", "StoreRefused")
        assert condition["status"] == "False"
        assert condition["message"] == "s3://recordings refused to write 000007.ts: AccessDenied."
        status = await world.status("store")
        assert status["pendingBytes"] == 3_000_000
        assert status["message"].endswith("uploads fail (StoreRefused), 2.9MiB wait in the recorder")
        world.live = live()
        assert (await _until_condition(world, "store", "Uploaded", "Recording"))["status"] == "Unknown"
        status = await world.status("store")
        assert (status["pendingBytes"], "uploads" in status["message"]) == (0, False)


async def test_a_stop_while_the_store_is_away_leaves_the_recorder_its_time(world: World) -> None:
    away = {
        "pending_bytes": 3_000_000,
        "upload_error": "no answer",
        "upload_reason": Reason.STORE_UNREACHABLE,
    }
    async with world.recorder_answers():
        async with world.operator():
            await _recording(world, "waits", live())
            world.live = live(**away)
            await _until_condition(world, "waits", "Uploaded", "StoreUnreachable")
            await world.stop_task("waits")
            await world.until_told("waits-1", "true", what="stop")
            status = await world.until_state("waits", "STOPPING", reason="Stopping")
            assert "uploads fail (StoreUnreachable), 2.9MiB wait" in status["message"]
        before = await world.pod("waits-1")
        world.live = live(phase=RecorderPhase.FINALIZING, **away | {"pending_bytes": 9_000_000})
        async with world.operator():

            async def more_waits() -> bool:
                return (await world.status("waits")).get("pendingBytes") == 9_000_000

            await world.until("more bytes that wait", more_waits)
            world.live = live(phase=RecorderPhase.FINALIZING)
            await _until_condition(world, "waits", "Uploaded", "Recording")
            after = await world.pod("waits-1")
            assert before is not None
            assert after is not None
            assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
            await world.end_pod("waits-1", message=summary())
            await world.until_state("waits", "STOPPED", reason="StopRequested")
            await world.until_pod_gone("waits-1")


async def test_a_pause_reaches_the_pod_and_the_recorders_word_the_status(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "pause", live())
        for wanted in (True, False, True):
            await world.patch_task("pause", pause=wanted)
            await world.until_told("pause-1", "true" if wanted else "false")
            world.live = live(paused=wanted)
            await world.until_state("pause", "PROCESSING", reason="Paused" if wanted else "Recording")

        async def told() -> bool:
            reasons = [event["reason"] for event in await world.events("pause")]
            return reasons == ["Paused", "Recording", "Paused"]

        await world.until("an Event for each change", told)


async def test_other_users_reach_the_pod_and_no_other_recorder_is_made(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "users", live(), users=["user1"])
        await world.until_told("users-1", "user1", what="users")
        for users, told in ((["user2", "user3"], "user2,user3"), ([], EVERYONE), (["user1"], "user1")):
            await world.patch_task("users", users=users)
            await world.until_told("users-1", told, what="users")
        await world.until_state("users", "PROCESSING", reason="Recording")
        assert await world.pod("users-2") is None


async def test_a_task_that_is_paused_from_the_start_has_a_pod_that_says_so(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        world.live = live(paused=True)
        await world.create_task("early", pause=True)
        await world.until_told("early-1", "true")
        await world.start_recording("early")
        await world.until_state("early", "PROCESSING", reason="Paused")


async def test_a_recorder_on_a_node_that_was_given_up_and_does_not_answer_is_replaced_at_once(
    world: World,
) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "lost", live())
        world.live = None
        await world.give_node_up("lost-1")
        await world.start_recording("lost", attempt=2)
        world.live = live(attempt=2)
        status = await world.until_state("lost", "PROCESSING", reason="Recording")
        assert status["attempt"] == 2
        # The node comes back: its kubelet finds the Pod deleted, and nobody holds it.
        await world.kubelet_lets_go("lost-1")
        await world.until_pod_gone("lost-1")


async def test_a_recorder_on_a_node_that_was_given_up_and_answers_is_waited_for(world: World) -> None:
    async with world.recorder_answers(), world.operator():
        await _recording(world, "lives", live())
        await world.give_node_up("lives-1")
        await world.until_state("lives", "PROCESSING", reason="PodDeleted")
        await world.end_pod("lives-1", message=summary())
        pod = await world.until_pod("lives", attempt=2)
        assert pod["metadata"]["name"] == "lives-2"


async def _killed(world: World, name: str) -> dict[str, Any]:
    """Have a recorder die without a word, for the last time."""
    await world.create_task(name, retryLimit=0)
    await world.start_recording(name)
    await world.until_state(name, "PROCESSING")
    await world.end_pod(f"{name}-1", exit_code=137, reason="OOMKilled")
    return await world.until_state(name, "STOPPING", reason="Closing")


async def test_a_playlist_that_was_left_open_is_closed_before_the_task_ends(world: World) -> None:
    async with world.operator():
        status = await _killed(world, "open")
        assert (status["verdict"]["state"], status["verdict"]["reason"]) == ("FAILED", "OOMKilled")
        pod = await world.until_pod("open", attempt=2)
        config = RecorderConfig.model_validate_json(pod["spec"]["containers"][0]["env"][0]["value"])
        # Written before the Pod is made: the manifest is to say how the task ends.
        assert config.finish_only
        assert config.verdict == Verdict.model_validate(status["verdict"])
        await world.stop_task("open")
        await world.bind("open-2")
        await world.run_pod("open-2", ready=False)
        await world.end_pod("open-2", message=summary(attempt=2, joined_at=None))
        status = await world.until_state("open", "FAILED", reason="OOMKilled")
        assert "verdict" not in status
        assert "not closed" not in status["message"]
        assert [file["name"] for file in status["files"]] == [playlist().name]
        conditions = {c["type"]: c["status"] for c in status["conditions"]}
        assert (conditions["Uploaded"], conditions["Failed"]) == ("True", "True")
        for number in (1, 2):
            await world.kubelet_lets_go(f"open-{number}")
            await world.until_pod_gone(f"open-{number}")
        assert await world.pods() == []


@pytest.mark.parametrize("operator_restarts", [False, True])
async def test_a_task_ends_also_when_its_playlist_can_not_be_closed(
    world: World,
    operator_restarts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with world.operator():
        await _killed(world, "never")
        await world.until_pod("never", attempt=2)
        if not operator_restarts:
            await _could_not_close(world)
    async with world.operator():
        if operator_restarts:
            await _could_not_close(world)
        status = await world.until_state("never", "FAILED", reason="OOMKilled")
        assert "its playlist is not closed: as the recorder said" in status["message"]
        assert await world.pod("never-3") is None


async def _could_not_close(world: World) -> None:
    await world.bind("never-2")
    await world.run_pod("never-2", ready=False)
    words = failed(Reason.STORE_UNREACHABLE, retryable=True, attempt=2)
    await world.end_pod("never-2", message=words, exit_code=1)


async def test_stop_between_two_recorders_closes_what_the_first_left(world: World) -> None:
    async with world.operator():
        await world.create_task("between")
        await world.start_recording("between")
        await world.until_state("between", "PROCESSING")
        await world.end_pod("between-1", exit_code=137)
        await world.until_state("between", "PROCESSING", reason="Retrying")
        await world.stop_task("between")
        await world.until_state("between", "STOPPING", reason="Closing")
        await world.until_pod("between", attempt=2)
        await world.bind("between-2")
        await world.end_pod("between-2", message=summary(attempt=2, joined_at=None))
        await world.until_state("between", "STOPPED", reason="StopRequested")
