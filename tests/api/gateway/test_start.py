"""Start: one task for one request, its token in a Secret, and words for every no."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from egress_api.constants import GROUP, PLURAL
from egress_api.names import request_digest, task_name
from support.bad_starts import BAD_STARTS, PAGE, START_FLAT, START_FREESTYLE, BadStart
from support.gateway import Admin, Client, MakeGateway, kubectl, until
from support.manifests import changed

START = "/egress/v1/demo/tasks"
TOKEN = START_FLAT["payload"]["access_token"]
TASK = task_name(app_id="demo", request_id="m2d3k03l")


async def test_a_channel_becomes_a_task(gateway: Client, admin: Admin) -> None:
    answer = await gateway.post(START, json=START_FLAT)
    assert answer.status == 202
    assert answer.content_type == "application/json"
    assert await answer.json() == {"request_id": "m2d3k03l", "task_id": TASK, "status": "ENQUEUED"}
    assert answer.headers["Location"] == f"{START}/{TASK}"
    assert "Idempotency-Replayed" not in answer.headers

    task = admin.task(TASK)
    assert task["metadata"]["labels"] == {
        "egress-operator.dev/app-id": "demo",
        "app.kubernetes.io/managed-by": "egress-operator",
    }
    assert task["metadata"]["annotations"] == {
        "egress-operator.dev/request-digest": request_digest(START_FLAT)
    }
    secret_name = task["spec"].pop("accessTokenSecretRef")["name"]
    assert task["spec"] == {
        "appId": "demo",
        "requestId": "m2d3k03l",
        "command": "record",
        "layout": "flat",
        "channel": "egress_test",
        "workerUid": 42,
        "users": ["user1", "user2"],
        "webGL": False,
        "start": {"when": "load", "timeoutSeconds": 30, "onTimeout": "fail"},
        "filenamePattern": "file_output",
        "format": "hls",
        "segmentSeconds": 4,
        "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
        "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
        "frozenPicture": "black",
        "limits": {
            "enqueueTimeoutSeconds": 300,
            "maxDurationSeconds": 14400,
            "idleTimeoutSeconds": 0,
            "maxBytes": 0,
        },
        "retryLimit": 2,
        "priority": 0,
        "pause": False,
        "stop": False,
    }

    (secret,) = admin.secrets()
    assert secret["metadata"]["name"] == secret_name
    assert secret["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "egress-operator.dev/v1alpha1",
            "kind": "EgressTask",
            "name": TASK,
            "uid": task["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    assert (secret["type"], secret["immutable"]) == ("Opaque", True)
    assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == {
        "access_token": TOKEN
    }


async def test_a_page_becomes_a_task_without_a_secret(gateway: Client, admin: Admin) -> None:
    answer = await gateway.post(START, json=START_FREESTYLE)
    assert answer.status == 202
    spec = admin.task((await answer.json())["task_id"])["spec"]
    assert (spec["layout"], spec["url"]) == ("freestyle", "http://your_freestyle_canvas.good.example")
    assert not {"channel", "accessTokenSecretRef", "workerUid"} & set(spec)
    assert admin.secrets() == []


async def test_a_pages_start_rule_reaches_its_task(gateway: Client, admin: Admin) -> None:
    rule = {"when": "selector", "selector": "#ready", "timeoutSeconds": 60, "onTimeout": "start"}
    answer = await gateway.post(START, json=changed(START_FREESTYLE, {"payload.start": rule}))
    assert answer.status == 202
    assert admin.task((await answer.json())["task_id"])["spec"]["start"] == rule


PRIVATE = changed(START_FREESTYLE, {"payload.url": "http://10.1.2.3:8080/a"})


async def test_a_page_inside_the_network_is_refused_and_makes_nothing(gateway: Client, admin: Admin) -> None:
    answer = await gateway.post(START, json=PRIVATE)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (422, "urn:egress-operator:problem:page-forbidden")
    (error,) = problem["errors"]
    assert error["pointer"] == "/payload/url"
    assert "port 8080" in error["detail"]
    assert admin.tasks() == []


async def test_a_page_that_the_apps_rules_allow_becomes_a_task(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    gateway = await make_gateway(pages={"apps": {"demo": {"allow": ["10.1.0.0/16"], "ports": [8080]}}})
    assert (await gateway.post(START, json=PRIVATE)).status == 202
    assert (await gateway.post("/egress/v1/other/tasks", json=PRIVATE)).status == 422
    assert len(admin.tasks()) == 1


async def test_a_start_sent_again_gets_its_first_answer_though_the_rules_have_changed(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    before = await make_gateway(pages={"default": {"allow": ["10.1.0.0/16"], "ports": [8080]}})
    first = await before.post(START, json=PRIVATE)
    after = await make_gateway()
    again = await after.post(START, json=PRIVATE)
    assert (again.status, await again.json()) == (first.status, await first.json())
    assert again.headers["Idempotency-Replayed"] == "true"

    other = changed(PRIVATE, {"payload.url": "http://10.1.2.4:8080/a"})
    assert (await after.post(START, json=other)).status == 409
    assert (await after.post(START, json={**PRIVATE, "request_id": "new"})).status == 422
    assert len(admin.tasks()) == 1


async def test_the_token_stands_in_its_secret_and_nowhere_else(
    make_gateway: MakeGateway, admin: Admin, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    gateway = await make_gateway(log_level="debug")
    answers = [
        await gateway.post(START, json=START_FLAT),
        await gateway.post(START, json=START_FLAT),
        await gateway.post(START, json=changed(START_FLAT, {"cmd": "x"})),
        await gateway.post(START, json=changed(START_FLAT, {"payload.channel": "other"})),
        await gateway.get(f"{START}/{TASK}"),
        await gateway.post(f"{START}/{TASK}/stop", json={"request_id": "a"}),
        await gateway.get("/metrics"),
    ]
    assert [answer.status for answer in answers] == [202, 202, 400, 409, 200, 200, 200]
    assert len([line for line in json_logs() if line.get("path") == START]) == 4
    shown = kubectl(admin, "get", "egresstasks,events,configmaps,pods", "-o", "json", "--show-managed-fields")
    seen = [await answer.text() for answer in answers] + [json.dumps(json_logs()), shown]
    for text in seen:
        assert TOKEN not in text
        assert base64.b64encode(TOKEN.encode()).decode() not in text


async def test_the_log_has_a_line_for_a_start_with_its_ids(
    gateway: Client, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    await gateway.post(START, json=START_FLAT, headers={"X-Request-Id": "edge-1"})
    (line,) = [line for line in json_logs() if line["msg"] == "request" and line["path"] == START]
    assert line.pop("duration_ms") > 0
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "msg": "request",
        "logger": "egress_gateway.middleware",
        "method": "POST",
        "path": START,
        "status": 202,
        "request_id": "m2d3k03l",
        "app_id": "demo",
        "task_id": TASK,
    }


async def test_the_same_start_again_gets_the_first_answer(gateway: Client, admin: Admin) -> None:
    first = await gateway.post(START, json=START_FLAT)
    admin.set_status(TASK, state="PROCESSING")
    # The same body, written differently.
    text = json.dumps(dict(reversed(START_FLAT.items())), indent=3)
    again = await gateway.post(START, data=text, headers={"Content-Type": "application/json; charset=utf-8"})
    assert (again.status, await again.json()) == (first.status, await first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert len(admin.tasks()) == len(admin.secrets()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"payload.channel": "other"},
        {"payload.access_token": "007eJxt9VMp+//+i9SOF"},
        {"payload.video.width": 640},
        {"payload.segmentSeconds": 4},
        PAGE,
    ],
    ids=", ".join,
)
async def test_the_same_id_with_another_body_is_a_conflict(
    gateway: Client, admin: Admin, changes: dict[str, Any]
) -> None:
    await gateway.post(START, json=START_FLAT)
    before = admin.tasks()
    answer = await gateway.post(START, json=changed(START_FLAT, changes))
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (409, "urn:egress-operator:problem:request-conflict")
    assert problem["request_id"] == "m2d3k03l"
    assert TASK in problem["detail"]
    assert admin.tasks() == before
    assert len(admin.secrets()) == 1


async def test_the_same_id_of_another_app_is_another_task(gateway: Client, admin: Admin) -> None:
    mine = await (await gateway.post(START, json=START_FLAT)).json()
    theirs = await (await gateway.post("/egress/v1/other/tasks", json=START_FLAT)).json()
    assert mine["task_id"] != theirs["task_id"]
    assert len(admin.tasks()) == 2


async def test_parallel_starts_through_two_gateways_make_one_task(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    answers = await asyncio.gather(
        *(gateways[number % 2].post(START, json=START_FLAT) for number in range(20))
    )
    assert {answer.status for answer in answers} == {202}
    assert len({json.dumps(await answer.json()) for answer in answers}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    (task,), (secret,) = admin.tasks(), admin.secrets()
    assert task["spec"]["accessTokenSecretRef"]["name"] == secret["metadata"]["name"]


async def test_a_gateway_that_died_before_the_secret_is_repaired_by_the_retry(
    gateway: Client, admin: Admin
) -> None:
    await gateway.post(START, json=START_FLAT)
    (lost,) = admin.secrets()
    path = f"/api/v1/namespaces/{admin.namespace}/secrets"
    admin.server.request("DELETE", f"{path}/{lost['metadata']['name']}")
    again = await gateway.post(START, json=START_FLAT)
    assert again.headers["Idempotency-Replayed"] == "true"
    (repaired,) = admin.secrets()
    assert repaired["metadata"]["name"] == lost["metadata"]["name"]
    assert repaired["data"] == lost["data"]
    assert repaired["metadata"]["ownerReferences"] == lost["metadata"]["ownerReferences"]


async def test_the_retry_of_an_ended_task_brings_no_secret_back(gateway: Client, admin: Admin) -> None:
    await gateway.post(START, json=START_FLAT)
    admin.set_status(TASK, state="STOPPED")
    (old,) = admin.secrets()
    admin.server.request("DELETE", f"/api/v1/namespaces/{admin.namespace}/secrets/{old['metadata']['name']}")
    again = await gateway.post(START, json=START_FLAT)
    assert (await again.json())["status"] == "ENQUEUED"
    assert admin.secrets() == []


async def test_a_new_task_is_not_given_the_secret_of_a_deleted_one(gateway: Client, admin: Admin) -> None:
    await gateway.post(START, json=START_FLAT)
    admin.delete_task(TASK)  # no garbage collector runs here: the Secret stays
    answer = await gateway.post(START, json=START_FLAT)
    assert "Idempotency-Replayed" not in answer.headers
    owners = {s["metadata"]["name"]: s["metadata"]["ownerReferences"][0]["uid"] for s in admin.secrets()}
    task = admin.task(TASK)
    assert len(owners) == 2
    assert owners[task["spec"]["accessTokenSecretRef"]["name"]] == task["metadata"]["uid"]


async def test_a_task_that_is_being_deleted_takes_no_replay(gateway: Client, admin: Admin) -> None:
    await gateway.post(START, json=START_FLAT)
    held = admin.task(TASK)
    held["metadata"]["finalizers"] = ["test.good.example/hold"]
    admin.server.request("PUT", f"{admin.tasks_path}/{TASK}", body=held)
    admin.delete_task(TASK)
    answer = await gateway.post(START, json=START_FLAT)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (409, "urn:egress-operator:problem:task-deleting")
    assert "take a new request_id" in problem["detail"]


async def test_a_task_that_somebody_else_named_so_is_a_conflict(gateway: Client, admin: Admin) -> None:
    spec = {"appId": "demo", "layout": "freestyle", "url": "http://good.example/"}
    kind = {"apiVersion": "egress-operator.dev/v1alpha1", "kind": "EgressTask"}
    admin.create(admin.tasks_path, {**kind, "metadata": {"name": TASK}, "spec": spec})
    assert (await gateway.post(START, json=START_FLAT)).status == 409


@pytest.mark.parametrize("bad", BAD_STARTS[::6], ids=lambda bad: bad.what)
async def test_bad_input_makes_nothing(gateway: Client, admin: Admin, bad: BadStart) -> None:
    assert (await gateway.post(START, json=bad.body())).status == 400
    assert admin.tasks() == admin.secrets() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "a"},
        {"request_id": "Z" * 32},
        {"payload.channel": "A-z_0.9:c" + "c" * 55},
        {"payload.access_token": "s" * 2048},
        {"payload.access_token": 'quote" \\ slash, newline \n and é'},
        {"payload.workerUid": 999_999_999},
        {"payload.users": []},
        {"payload.users": [f"u{n:031}" for n in range(32)]},
        {"payload.filename_pattern": "{date:%Y-%m-%d}_{time}_{region}_{app_id}_{channel}_{task_id}_{layout}"},
        {"payload.video": {"width": 3840, "height": 2160, "frameRate": 60, "bitrate": 50000}},
        {"payload.video": {"width": 16, "height": 16, "frameRate": 1, "bitrate": 50}},
        {"payload.audio": {"sampleRate": 16000, "channels": 1, "bitrate": 16}},
        {"payload.limits": {"maxDurationSeconds": 60}, "payload.segmentSeconds": 30},
        {**PAGE, "payload.url": "HTTPS://good.example:443/a?b=c#d", "payload.webGL": True},
        {**PAGE, "payload.url": "http://good.example/" + "a" * 1004},
    ],
    ids=", ".join,
)
async def test_what_the_gateway_takes_the_api_server_takes(
    gateway: Client, admin: Admin, changes: dict[str, Any]
) -> None:
    answer = await gateway.post(START, json=changed(START_FLAT, changes))
    assert answer.status == 202, await answer.text()
    for secret in admin.secrets():
        token = base64.b64decode(secret["data"]["access_token"]).decode()
        assert token == changes.get("payload.access_token", TOKEN)


async def test_a_used_up_quota_of_tasks_is_told_and_nothing_is_made(gateway: Client, admin: Admin) -> None:
    exhaust(admin, f"count/{PLURAL}.{GROUP}")
    answer = await gateway.post(START, json=START_FLAT)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:quota-exceeded")
    assert "exceeded quota: few" in problem["detail"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert admin.tasks() == []


async def test_a_used_up_quota_of_secrets_is_mended_by_the_retry(gateway: Client, admin: Admin) -> None:
    exhaust(admin, "count/secrets")
    answer = await gateway.post(START, json=START_FLAT)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:quota-exceeded")
    assert f"ask {TASK} can't be given its token" in problem["detail"]
    assert TOKEN not in json.dumps(problem)
    admin.server.request("DELETE", f"/api/v1/namespaces/{admin.namespace}/resourcequotas/few")

    async def mended() -> bool:
        return (await gateway.post(START, json=START_FLAT)).status == 202

    await until("the quota is forgotten", mended)
    assert len(admin.tasks()) == len(admin.secrets()) == 1


async def test_a_policy_of_the_cluster_speaks_for_itself(gateway: Client, admin: Admin) -> None:
    group = "admissionregistration.k8s.io"
    name = f"no-{admin.namespace}"
    admin.create(
        f"/apis/{group}/v1/validatingadmissionpolicies",
        {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [GROUP],
                            "apiVersions": ["*"],
                            "resources": [PLURAL],
                            "operations": ["CREATE"],
                        }
                    ]
                },
                "validations": [{"expression": "false", "message": "no recording on Sundays"}],
            },
        },
    )
    selector = {"matchLabels": {"kubernetes.io/metadata.name": admin.namespace}}
    admin.create(
        f"/apis/{group}/v1/validatingadmissionpolicybindings",
        {
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        },
    )
    problems: list[dict[str, Any]] = []

    async def refused() -> bool:
        number = len(problems)
        answer = await gateway.post(START, json={**START_FLAT, "request_id": f"r{number}"})
        problems.append({"status": answer.status, **await answer.json(content_type=None)})
        return answer.status != 202

    await until("the policy holds", refused)
    assert problems[-1]["status"] == 403
    assert problems[-1]["type"] == "urn:egress-operator:problem:refused"
    assert "no recording on Sundays" in problems[-1]["detail"]


async def test_missing_rights_are_the_administrators_to_mend(gateway: Client, admin: Admin) -> None:
    admin.server.request(
        "DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{admin.namespace}/rolebindings/gateway"
    )
    answers: list[Any] = []

    async def refused() -> bool:
        answers.append(await gateway.post(START, json={**START_FLAT, "request_id": f"r{len(answers)}"}))
        return bool(answers[-1].status != 202)

    await until("the right is gone", refused)
    problem = await answers[-1].json(content_type="application/problem+json")
    assert (answers[-1].status, problem["type"]) == (503, "urn:egress-operator:problem:not-set-up")
    assert "The gateway's Role doesn't allow it" in problem["detail"]


def exhaust(admin: Admin, resource: str) -> None:
    """Set a quota that is used up; the status is what its controller would write."""
    path = f"/api/v1/namespaces/{admin.namespace}/resourcequotas"
    quota = admin.create(path, {"metadata": {"name": "few"}, "spec": {"hard": {resource: "0"}}})
    quota["status"] = {"hard": {resource: "0"}, "used": {resource: "0"}}
    admin.server.request("PUT", f"{path}/few/status", body=quota)
