"""The other side: as many Jobs with the same Pod, made directly, each complete as soon as its Pod was Ready.

In: the plane, how many. Out: a `Run`, from the first POST to the last Job Complete. Client, connections and watch are as
on our side.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import yaml

from bench.control_plane.api import Api, deadline
from bench.control_plane.figures import Latency, Run, difference
from bench.control_plane.lives import APP, PROGRESS_SECONDS, seconds_for, start_body
from bench.control_plane.ours import operator_settings
from bench.control_plane.plane import Plane, now
from bench.errors import BenchError
from egress_api.constants import GROUP, MANAGED_BY_LABEL
from egress_api.names import task_name, token_secret_name
from egress_api.rest import StartRequest
from egress_api.task import EgressTask, Metadata
from egress_operator.pods import build_pod
from egress_operator.settings import Settings

BENCH_LABEL = f"{GROUP}/bench"
"""By it kwok tells a Job's Pod (stages.yaml)."""


def job(name: str, *, namespace: str, settings: Settings) -> dict[str, Any]:
    """Return a Job whose Pod is a recorder's, but for what makes it the operator's."""
    request = StartRequest.model_validate(start_body("r0"))
    task_id = task_name(app_id=APP, request_id=request.request_id)
    task = EgressTask(
        metadata=Metadata(
            name=task_id, namespace=namespace, uid=str(uuid.uuid4()), creation_timestamp=datetime.now(UTC)
        ),
        spec=request.to_spec(app_id=APP, token_secret=token_secret_name(task_id)),
    )
    pod = build_pod(task, attempt=1, settings=settings)
    labels = {key: value for key, value in pod["metadata"]["labels"].items() if key != MANAGED_BY_LABEL}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {
                    "labels": {**labels, BENCH_LABEL: "job"},
                    "annotations": pod["metadata"]["annotations"],
                },
                "spec": pod["spec"],
            },
        },
    }


async def run(
    plane: Plane, api: Api, *, namespace: str, count: int, connections: int, say: Callable[[str], None]
) -> Run:
    """Take `count` Jobs from their creation to their completion."""
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    config = plane.folder / "jobs.yaml"
    config.write_text(yaml.safe_dump(operator_settings(namespace=namespace, port=0)))
    template = job("job", namespace=namespace, settings=Settings.load(config))
    waiting = [f"job-{number}" for number in reversed(range(count))]
    posts: list[float] = []
    complete: set[str] = set()
    since = await api.version(path)
    before, calls = plane.usage(), plane.calls()

    async def make() -> None:
        while waiting:
            body = {**template, "metadata": {"name": waiting.pop()}}
            asked = now()
            await api.request("POST", path, body=body)
            posts.append(now() - asked)

    async def follow() -> None:
        async for found in api.watch(path, since=since):
            if _is_complete(found):
                complete.add(found["metadata"]["name"])
            if len(complete) == count:
                return

    async def tell() -> None:
        while len(complete) < count:
            await asyncio.sleep(PROGRESS_SECONDS)
            say(f"  {len(posts)} of {count} made, {len(complete)} complete")

    async with deadline(seconds_for(count), f"{count} Jobs are complete"), asyncio.TaskGroup() as group:
        telling = group.create_task(tell())
        began = now()
        following = group.create_task(follow())
        for _ in range(connections):
            group.create_task(make())
        await following
        seconds = now() - began
        telling.cancel()
    counted = difference(plane.calls(), calls)
    return Run(
        count=count,
        seconds=seconds,
        spent={name: spent.since(before.get(name)) for name, spent in plane.usage().items()},
        # Who makes a Job writes it; on our side the gateway does.
        calls={**counted, "client/jobs": count},
        posts=Latency(seconds=posts),
    )


def _is_complete(found: dict[str, Any]) -> bool:
    conditions = found.get("status", {}).get("conditions") or []
    now_true = {c["type"]: c.get("message") for c in conditions if c["status"] == "True"}
    if "Failed" in now_true:
        raise BenchError(f"Job {found['metadata']['name']} failed: {now_true['Failed']}")
    return "Complete" in now_true
