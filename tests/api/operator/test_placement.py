"""Where a recorder runs, on a real API server: what its Pod asks for, what is refused, and how it moves."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator

import yaml

from egress_cluster.apiserver import ApiServer
from support.charts import REPOSITORY
from support.operator_world import World
from support.summaries import summary

EXAMPLE = yaml.safe_load((REPOSITORY / "examples" / "record-in-region.yaml").read_text())
OPEN = {"allowed_node_labels": ["example.com/disk"], "allowed_taints": ["dedicated"]}
PLACED = {
    "topology.kubernetes.io/region": "eu-west",
    "topology.kubernetes.io/zone": "eu-west-1a",
    "example.com/disk": "fast",
}


@contextlib.asynccontextmanager
async def _drained(server: ApiServer, node: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Drain a node as docs/operator.md says, which takes as long as its Pods do."""
    drain = await asyncio.create_subprocess_exec(
        server.kubectl, f"--kubeconfig={server.kubeconfig}", "drain", node, "--ignore-daemonsets",
        "--delete-emptydir-data", "--timeout=60s", stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip
    try:
        yield drain
    finally:
        with contextlib.suppress(ProcessLookupError):
            drain.kill()
        await drain.wait()


async def test_the_example_is_placed_as_it_says(world: World) -> None:
    async with world.operator(placement=OPEN, region="local"):
        await world.create_task("placed", **EXAMPLE["spec"])
        pod = await world.until_pod("placed")
    assert pod["spec"]["nodeSelector"] == PLACED
    assert {"key": "dedicated", "operator": "Equal", "value": "recorders", "effect": "NoSchedule"} in pod[
        "spec"
    ]["tolerations"]
    assert '"outputName":"eu-west_' in pod["spec"]["containers"][0]["env"][0]["value"]


async def test_a_place_that_tasks_may_not_choose_fails_the_task_and_makes_no_pod(world: World) -> None:
    async with world.operator():
        await world.create_task("forbidden", **EXAMPLE["spec"])
        status = await world.until_state("forbidden", "FAILED", reason="PlacementNotAllowed")
        assert "example.com/disk" in status["message"]
        assert "placement.allowedNodeLabels" in status["message"]
        assert await world.pods() == []


async def test_a_region_that_is_not_named_says_which_ones_are(world: World) -> None:
    async with world.operator(placement={"regions": {"eu": {}, "us": {}}}):
        await world.create_task("lost", placement={"region": "mars"})
        status = await world.until_state("lost", "FAILED", reason="PlacementNotAllowed")
    assert "the regions are eu, us" in status["message"]


async def test_a_place_without_a_node_is_waited_for_in_the_schedulers_words(world: World) -> None:
    said = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    async with world.operator():
        await world.create_task("nowhere", placement={"zone": "z"}, limits={"enqueueTimeoutSeconds": 5})
        name = (await world.until_pod("nowhere"))["metadata"]["name"]
        unschedulable = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": said,
        }
        await world.pod_status(name, phase="Pending", conditions=[unschedulable])
        status = await world.until_state("nowhere", "ENQUEUED", reason="Unschedulable")
        assert said in status["message"]
        await world.until_state("nowhere", "TIMEOUT", reason="Unschedulable")


async def test_a_drain_gives_the_recorder_its_grace_and_the_next_one_the_same_place(
    world: World, api_server: ApiServer
) -> None:
    node = f"node-of-{world.namespace}"
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    await world.cluster.request("POST", "/api/v1/nodes", body=made)
    async with world.operator(placement=OPEN):
        await world.create_task("moved", **EXAMPLE["spec"])
        first = await world.until_pod("moved")
        name = first["metadata"]["name"]
        await world.bind(name, node=node)
        await world.run_pod(name)
        await world.until_state("moved", "PROCESSING")
        async with _drained(api_server, node) as drain:
            await world.until_deleting(name)
            leaving = await world.pod(name)
            assert leaving is not None
            assert leaving["metadata"]["deletionGracePeriodSeconds"] == 120
            await world.until_state("moved", "PROCESSING", reason="PodDeleted")
            assert drain.returncode is None
            # A kubelet leaves what the API server wrote of the eviction.
            told = [c for c in leaving["status"]["conditions"] if c["type"] == "DisruptionTarget"]
            assert [condition["reason"] for condition in told] == ["EvictionByEvictionAPI"]
            await world.end_pod(name, message=summary(), conditions=told)
            await world.kubelet_lets_go(name)
            said, _ = await asyncio.wait_for(drain.communicate(), 30)
            assert drain.returncode == 0, said.decode()
        second = await world.until_pod("moved", attempt=2)
        status = await world.until_state("moved", "PROCESSING", reason="PodPending")
        [recording] = [c for c in status["conditions"] if c["type"] == "Recording"]
        assert (recording["status"], recording["reason"]) == ("False", "PodEvicted")
    for field in ("nodeSelector", "tolerations", "priorityClassName"):
        assert second["spec"].get(field) == first["spec"].get(field), field
    environment = [pod["spec"]["containers"][0]["env"][0]["value"] for pod in (first, second)]
    assert environment[1] == environment[0].replace('"attempt":1', '"attempt":2')
