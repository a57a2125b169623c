"""The gateway answers as its OpenAPI document says, whatever it is sent: no 5xx, nothing that is not documented."""

import contextlib
import json
from http import HTTPStatus
from pathlib import Path

import pytest

from egress_gateway.openapi.calls import CALLS
from support.gateway import Admin, logs_of, poll, running, through
from support.gateway import status as status_of
from support.schemathesis_run import schemathesis
from support.wire import Wire

ONLY_GOOD = ("--mode", "positive", "--phases", "examples", "--exclude-checks")
OF_APPS = [call for call in CALLS if call.of_app]


@pytest.mark.timeout(240)
def test_every_answer_is_a_documented_one(kubeconfig: Path, admin: Admin, tmp_path: Path) -> None:
    settings = {"DRAIN_SECONDS": "0", "RESOLVE_SECONDS": "0.1"}
    with running(kubeconfig, admin.namespace, **settings) as (process, url), logs_of(process) as logs:
        run = schemathesis(url, folder=tmp_path)
        assert run.fine, run.text
        assert [line for line in logs() if line["level"] == "error"] == []
    # Otherwise it would have proven little.
    reached = {(call.method, call.path, int(call.answers[0].status)) for call in CALLS}
    reached |= {(call.method, call.path, HTTPStatus.BAD_REQUEST) for call in OF_APPS}
    reached |= {(call.method, call.path, HTTPStatus.NOT_FOUND) for call in OF_APPS if call.of_task}
    assert reached - run.answers.keys() == set()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", ["nobody who is known", "too many calls"])
def test_who_is_refused_gets_a_documented_answer(
    kubeconfig: Path, admin: Admin, tmp_path: Path, what: str
) -> None:
    settings, status = {
        "nobody who is known": (
            {"AUTH": json.dumps({"modes": ["apiKeys"], "apiKeys": {"folder": str(tmp_path)}})},
            HTTPStatus.UNAUTHORIZED,
        ),
        "too many calls": (
            {
                "CALLS_PER_SECOND": "0.001",
                "CALLS_BURST": "1",
                "STARTS_PER_SECOND": "0.001",
                "STARTS_BURST": "1",
            },
            HTTPStatus.TOO_MANY_REQUESTS,
        ),
    }[what]
    with (
        running(kubeconfig, admin.namespace, DRAIN_SECONDS="0", RESOLVE_SECONDS="0.1", **settings) as (
            process,
            url,
        ),
        logs_of(process),
    ):
        poll(
            lambda: status_of(f"{url}/egress/v1/demo/tasks") == status,
            "its calls are used up, if they are few",
        )
        run = schemathesis(url, *ONLY_GOOD, "positive_data_acceptance", folder=tmp_path)
    assert run.fine, run.text
    assert {(call.method, call.path, status) for call in OF_APPS} - run.answers.keys() == set()


@pytest.mark.timeout(120)
def test_without_an_api_server_every_call_is_a_documented_503(
    kubeconfig: Path, admin: Admin, tmp_path: Path
) -> None:
    settings = {"DRAIN_SECONDS": "0", "RESOLVE_SECONDS": "0.1", "STALE_SECONDS": "0"}
    with contextlib.ExitStack() as stack:
        with Wire(int(admin.server.url.rpartition(":")[2])) as wire:
            gateway = running(through(kubeconfig, wire.port), admin.namespace, **settings)
            process, url = stack.enter_context(gateway)
        logs = stack.enter_context(logs_of(process))
        run = schemathesis(url, *ONLY_GOOD, "positive_data_acceptance,not_a_server_error", folder=tmp_path)
        assert run.fine, run.text
        assert [line for line in logs() if line["level"] == "error"] == []
    unavailable = {(call.method, call.path, HTTPStatus.SERVICE_UNAVAILABLE) for call in OF_APPS}
    assert unavailable - run.answers.keys() == set()
