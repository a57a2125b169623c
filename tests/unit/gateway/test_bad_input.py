"""Bad input gets a problem that names the field, and never a 500; the API server isn't asked."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from support.bad_starts import (
    BAD_STARTS,
    BAD_TEXTS,
    BAD_UPDATES,
    START_FLAT,
    BadStart,
    BadText,
    BadUpdate,
)
from support.manifests import changed

START = "/egress/v1/demo/tasks"
UPDATE = {"request_id": "a", "payload": {"pause": True}}

Client = TestClient[Any, Any]


@pytest.mark.parametrize("bad", BAD_STARTS, ids=lambda bad: bad.what)
async def test_a_bad_start_names_its_field(gateway: Client, bad: BadStart) -> None:
    answer = await gateway.post(START, json=bad.body())
    problem = await answer.json(content_type="application/problem+json")
    assert answer.status == problem["status"] == bad.status
    assert problem["type"] == "urn:egress-operator:problem:invalid-body"
    errors = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert bad.sentence in errors[bad.pointer]
    assert errors[bad.pointer] in problem["detail"]


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=lambda bad: bad.what)
async def test_a_body_that_is_no_object_is_refused_with_a_place(gateway: Client, bad: BadText) -> None:
    answer = await gateway.post(START, data=bad.content, headers=bad.headers)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"].rpartition(":")[2]) == (bad.status, bad.kind)
    assert bad.sentence in problem["detail"]


@pytest.mark.parametrize(
    "token", ["7eJxt9VMp", "s" * 2049, 12345678901234567890], ids=["too short", "too long", "a number"]
)
async def test_a_token_that_is_refused_is_not_repeated(
    gateway: Client, token: object, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await gateway.post(START, json=changed(START_FLAT, {"payload.access_token": token}))
    assert answer.status == 400
    assert str(token) not in await answer.text() + capsys.readouterr().out


async def test_all_bad_fields_are_named_at_once(gateway: Client) -> None:
    changes = {"payload.video.width": 3, "payload.audio.channels": 9, "payload.nope": 1, "cmd": "x"}
    answer = await gateway.post(START, json=changed(START_FLAT, changes))
    problem = await answer.json()
    assert {error["pointer"] for error in problem["errors"]} == {
        "/payload/video/width",
        "/payload/audio/channels",
        "/payload/nope",
        "/cmd",
    }


async def test_thousands_of_mistakes_get_a_short_answer(gateway: Client) -> None:
    answer = await gateway.post(START, json={f"f{n}": n for n in range(3000)})
    problem = await answer.json()
    assert answer.status == 400
    assert len(problem["errors"]) == 32


@pytest.mark.parametrize("app_id", ["a%20b", "-demo", "demo.", "a" * 64, "d%C3%A9mo", "a%2Fb", "%00"])
async def test_a_bad_app_id_is_refused_by_every_call(gateway: Client, app_id: str) -> None:
    calls: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "tasks", START_FLAT),
        ("GET", "tasks", None),
        ("GET", "tasks/t1", None),
        ("PATCH", "tasks/t1", UPDATE),
        ("POST", "tasks/t1/stop", None),
        ("POST", "tasks/t1/status", None),
        ("DELETE", "tasks/t1", None),
    ]
    for method, path, body in calls:
        url = URL(f"/egress/v1/{app_id}/{path}", encoded=True)
        answer = await gateway.request(method, url, json=body)
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["type"]) == (400, "urn:egress-operator:problem:invalid-path")
        assert "app_id in the path must be 1 to 63 letters" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "tasks/t1"),
        ("PATCH", "tasks/t1"),
        ("DELETE", "tasks/t1"),
        ("POST", "tasks/t1/stop"),
        ("POST", "tasks/t1/status"),
    ],
)
@pytest.mark.parametrize("bad", [b for b in BAD_TEXTS if b.content], ids=lambda bad: bad.what)
async def test_the_other_calls_read_bodies_as_strictly(
    gateway: Client, method: str, path: str, bad: BadText
) -> None:
    answer = await gateway.request(method, f"/egress/v1/demo/{path}", data=bad.content, headers=bad.headers)
    assert answer.status == bad.status
    assert bad.sentence in (await answer.json())["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/request_id"), ({"request_id": "?"}, "/request_id"), ({"request_id": "a", "x": 1}, "/x")],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "tasks/t1"), ("POST", "tasks/t1/stop"), ("POST", "tasks/t1/status"), ("DELETE", "tasks/t1")],
)
async def test_stop_status_and_delete_name_bad_fields(
    gateway: Client, method: str, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.request(method, f"/egress/v1/demo/{path}", json=body)
    assert answer.status == 400
    assert [error["pointer"] for error in (await answer.json())["errors"]] == [pointer]


@pytest.mark.parametrize("bad", BAD_UPDATES, ids=lambda bad: bad.what)
async def test_a_bad_update_names_its_field(gateway: Client, bad: BadUpdate) -> None:
    answer = await gateway.patch("/egress/v1/demo/tasks/t1", json=bad.body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (400, "urn:egress-operator:problem:invalid-body")
    errors = [(error["pointer"], error["detail"]) for error in problem["errors"]]
    assert errors == [(bad.pointer, bad.sentence)]


async def test_an_update_needs_a_body(gateway: Client) -> None:
    answer = await gateway.patch("/egress/v1/demo/tasks/t1")
    assert answer.status == 400
    assert "The body is missing: an update is a JSON object" in (await answer.json())["detail"]
