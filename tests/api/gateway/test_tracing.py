"""One trace from a caller's request to the uploaded file: gateway, operator and recorder, each the real program's code."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from egress_api.constants import TRACEPARENT_ANNOTATION
from egress_api.recorder import RecorderConfig
from egress_api.tracing.traceparent import TraceParent
from egress_operator.cluster import Cluster
from support.bad_starts import START_FLAT, START_FREESTYLE, changed
from support.gateway import Admin, Client, MakeGateway
from support.operator_world import World
from support.otlp import OtlpReceiver, Received, otlp_receiver
from support.recorder import RecorderProcess

CALLER = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
STOPPER = TraceParent("11111111111111111111111111111111", "2222222222222222", sampled=True)
SECRETS = ["007eJxt9VMp", "page-secret-4711", "some-key"]
PAGE = changed(START_FREESTYLE, {"payload.url": "http://page.example/x?ticket=page-secret-4711"})
TASKS = "/egress/v1/demo/tasks"


@pytest.fixture
async def world(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(admin.server.kubeconfig))
    cluster = await Cluster.connect(admin.server.kubeconfig)
    yield World(cluster, admin.namespace)
    await cluster.close()


@pytest.mark.parametrize("start", [START_FLAT, PAGE], ids=["channel", "page"])
async def test_a_task_is_one_trace_from_request_to_uploaded_file(
    start: dict[str, Any], make_gateway: MakeGateway, world: World, tmp_path: Path
) -> None:
    async with otlp_receiver() as receiver:
        endpoint = receiver.url
        gateway = await make_gateway(tracing={"endpoint": endpoint})
        recorders = {"image": "recorder:1", "web": {"image": "web:1"}}
        tracing = {"endpoint": endpoint, "headers_secret": "otlp"}
        async with world.operator(tracing=tracing, recorder=recorders):
            task_id = await started(gateway, start, traceparent=str(CALLER))
            await live_through(world, gateway, task_id, folder=tmp_path)
        await receiver.until("egress.task", f"POST {TASKS.replace('demo', '{app_id}')}", "egress.recorder")
        await gateway.close()
    of_task = [span for span in receiver.spans if span.trace_id == CALLER.trace_id]
    assert_one_tree(of_task)
    assert {span.trace_id for span in receiver.spans} == {CALLER.trace_id, STOPPER.trace_id}
    by_name = {span.name: span for span in of_task}
    assert by_name["egress.task"].attributes["egress.state"] == "STOPPED"
    assert by_name["egress.attempt"].attributes["k8s.node.name"] == "node-1"
    assert (stop := receiver.one(f"POST {TASKS.replace('demo', '{app_id}')}/{{task_id}}/stop"))
    assert stop.attributes["egress.task.id"] == task_id
    assert not any(span.error for span in receiver.spans)
    assert_nothing_secret(receiver)


def assert_one_tree(spans: list[Received]) -> None:
    """Everything hangs together below the caller's span, each below what it is a part of."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    parents = {span.name: getattr(by_id.get(span.parent_id), "name", span.parent_id) for span in spans}
    assert parents == {
        "POST /egress/v1/{app_id}/tasks": CALLER.span_id,
        "egress.task": "POST /egress/v1/{app_id}/tasks",
        "egress.queued": "egress.task",
        "egress.attempt": "egress.task",
        "egress.ending": "egress.task",
        "egress.pod.create": "egress.attempt",
        "egress.pod.pending": "egress.attempt",
        "egress.pod.starting": "egress.attempt",
        "egress.recording": "egress.attempt",
        "egress.recorder": "egress.attempt",
        "egress.claim": "egress.recorder",
        "egress.capture": "egress.recorder",
        "egress.join": "egress.capture",
        "egress.first_frame": "egress.capture",
        "egress.upload": "egress.recorder",
        "egress.finalize": "egress.recorder",
        "egress.close_lists": "egress.finalize",
    }
    assert all(0 < span.began <= span.ended for span in spans)
    assert {span.service for span in spans} == {"egress-gateway", "egress-operator", "egress-recorder"}
    assert {span.kind for span in spans if span.service == "egress-gateway"} == {"server"}


def assert_nothing_secret(receiver: OtlpReceiver) -> None:
    assert receiver.bodies
    assert not [secret for secret in SECRETS if secret.encode() in receiver.bodies]
    assert b"ticket=" not in receiver.bodies


async def started(gateway: Client, body: dict[str, Any], **headers: str) -> str:
    async with gateway.post(TASKS, json=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["task_id"])


async def live_through(world: World, gateway: Client, task_id: str, *, folder: Path) -> None:
    """Play the node, with the real recorder on it, until the task is stopped over REST."""
    pod = await world.until_pod(task_id)
    (container,) = pod["spec"]["containers"]
    config, headers = container["env"]
    assert headers["valueFrom"]["secretKeyRef"] == {"name": "otlp", "key": "headers", "optional": True}
    told = RecorderConfig.model_validate_json(config["value"])
    recorder = RecorderProcess(folder, [{}], **told.model_dump(exclude={"store", "control_dir"}))
    recorder.environment["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=Bearer%20some-key"
    name = await world.start_recording(task_id)
    try:
        await recorder.start()
        await world.until_state(task_id, "PROCESSING")
        await recorder.until(lambda: "#EXTINF" in playlist(recorder))
        stop = f"{TASKS}/{task_id}/stop"
        async with gateway.post(
            stop, json={"request_id": "s1"}, headers={"traceparent": str(STOPPER)}
        ) as answer:
            assert answer.status == 200
        await world.until_told(name, "true", what="stop")
        await world.end_pod(name, message=await recorder.stop())
        await world.until_state(task_id, "STOPPED")
    finally:
        await recorder.kill()


def playlist(recorder: RecorderProcess) -> str:
    found = list(recorder.store.glob("*.m3u8"))
    return found[0].read_text() if found else ""


async def test_a_task_without_a_caller_s_trace_begins_one(make_gateway: MakeGateway, admin: Admin) -> None:
    async with otlp_receiver() as receiver:
        gateway = await make_gateway(tracing={"endpoint": receiver.url})
        task_id = await started(gateway, START_FLAT)
        again = await started(gateway, START_FLAT, traceparent=str(CALLER))
        assert again == task_id
        async with gateway.get(f"{TASKS}/{task_id}") as answer:
            assert answer.status == 200
        async with gateway.get(f"{TASKS}/{task_id}", headers={"traceparent": str(STOPPER)}) as answer:
            assert answer.status == 200
        await gateway.close()
        starts = receiver.named("POST /egress/v1/{app_id}/tasks")
        reads = receiver.named("GET /egress/v1/{app_id}/tasks/{task_id}")
    assert [(span.trace_id, span.parent_id) for span in reads] == [(STOPPER.trace_id, STOPPER.span_id)]
    first = next(span for span in starts if not span.parent_id)
    carried = TraceParent.parse(admin.task(task_id)["metadata"]["annotations"][TRACEPARENT_ANNOTATION])
    assert carried == TraceParent(first.trace_id, first.span_id, sampled=True)
    assert first.attributes == {
        "http.request.method": "POST",
        "http.route": "/egress/v1/{app_id}/tasks",
        "http.response.status_code": 202,
        "url.path": TASKS,
        "url.scheme": "http",
        "egress.app.id": "demo",
        "egress.task.id": task_id,
    }


async def test_a_task_applied_by_kubectl_has_its_uid_for_a_trace(world: World) -> None:
    async with otlp_receiver() as receiver:
        async with world.operator(tracing={"endpoint": receiver.url}):
            task = await world.create_task("applied", stop=True)
            await world.until_state("applied", "STOPPED")
        top = receiver.one("egress.task")
    assert (top.trace_id, top.parent_id) == (task["metadata"]["uid"].replace("-", ""), "")


async def test_an_operator_that_is_started_again_exports_nothing_anew(world: World) -> None:
    async with otlp_receiver() as receiver:
        for _ in range(2):
            async with world.operator(tracing={"endpoint": receiver.url}):
                if await world.pods() == []:
                    await world.create_task("lasts")
                    await world.start_recording("lasts")
                await world.until_state("lasts", "PROCESSING")
        assert receiver.names() == [
            "egress.pod.create",
            "egress.pod.pending",
            "egress.pod.starting",
            "egress.queued",
        ]


async def test_without_traces_a_task_carries_none(gateway: Client, admin: Admin) -> None:
    task_id = await started(gateway, START_FLAT, traceparent=str(CALLER))
    assert TRACEPARENT_ANNOTATION not in admin.task(task_id)["metadata"]["annotations"]


async def test_a_refusal_is_told_and_is_no_fault_of_the_server(
    make_gateway: MakeGateway, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    async with otlp_receiver() as receiver:
        gateway = await make_gateway(tracing={"endpoint": receiver.url})
        async with gateway.post(TASKS, json={"access_token": "some-key-4711"}) as answer:
            assert answer.status == 400
        await gateway.close()
        span = receiver.one("POST /egress/v1/{app_id}/tasks")
    assert (span.error, span.attributes["http.response.status_code"]) == (False, 400)
    assert span.attributes["egress.problem"] == "invalid-body"
    assert b"some-key" not in receiver.bodies
    line = next(line for line in json_logs() if line["msg"] == "request" and line["status"] == 400)
    assert line["trace_id"] == span.trace_id
    assert "some-key" not in json.dumps(json_logs())
