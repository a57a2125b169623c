"""A task's life on a real API server, the test playing the node."""

from egress_api.constants import RESULTS_FINALIZER
from support.operator_world import World
from support.summaries import live, playlist, summary


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

        await world.until("files in the status", files)
        await world.stop_task("first")
        await world.until_deleting("first-1")
        assert (await world.status("first"))["state"] == "STOPPING"
        await world.end_pod("first-1", message=summary())
        status = await world.until_state("first", "STOPPED", reason="StopRequested")
        assert [file["name"] for file in status["files"]] == [playlist().name]
        await world.kubelet_lets_go("first-1")
        await world.until_pod_gone("first-1")
