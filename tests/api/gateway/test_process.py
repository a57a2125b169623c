"""The process as a Pod runs it: environment in, JSON lines out, an orderly end on SIGTERM."""

import json
import re
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.bad_starts import START_FLAT
from support.gateway import Admin, poll, running, status, through
from support.wire import Wire


def test_sigterm_drains_and_ends_well(kubeconfig: Path, admin: Admin) -> None:
    with running(kubeconfig, admin.namespace, DRAIN_SECONDS="1") as (process, url):
        process.send_signal(signal.SIGTERM)
        poll(lambda: status(f"{url}/readyz") == 503, "it says that it ends")
        assert status(f"{url}/healthz") == 200  # still served: the Service may not know yet
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert process.wait(10) == 0
        assert status(f"{url}/healthz") is None
    messages = [line["msg"] for line in lines]
    assert any("auth mode: none" in message for message in messages)
    assert messages[-1] == "shut down"


def test_a_request_in_flight_is_answered(kubeconfig: Path, admin: Admin) -> None:
    with (
        Wire(int(admin.server.url.rpartition(":")[2])) as wire,
        running(through(kubeconfig, wire.port), admin.namespace, DRAIN_SECONDS="0") as (process, url),
        ThreadPoolExecutor(1) as pool,
    ):
        wire.hold()
        start = pool.submit(post, f"{url}/egress/v1/demo/tasks", START_FLAT)
        assert wire.held.wait(10)
        process.send_signal(signal.SIGTERM)
        poll(lambda: status(f"{url}/healthz") is None, "it no longer listens")
        wire.release()
        assert start.result(10) == 202
        assert process.wait(15) == 0
    assert len(admin.tasks()) == len(admin.secrets()) == 1


def test_a_request_that_hangs_is_cut_off_in_time(kubeconfig: Path, admin: Admin) -> None:
    settings = {"DRAIN_SECONDS": "0", "SHUTDOWN_SECONDS": "1", "API_TIMEOUT_SECONDS": "60"}
    with (
        Wire(int(admin.server.url.rpartition(":")[2])) as wire,
        running(through(kubeconfig, wire.port), admin.namespace, **settings) as (process, url),
        ThreadPoolExecutor(1) as pool,
    ):
        wire.hold()
        start = pool.submit(post, f"{url}/egress/v1/demo/tasks", START_FLAT)
        assert wire.held.wait(10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert start.result(10) is None


@pytest.mark.parametrize("path", ["tasks/{task}?wait=60s", "tasks/{task}/events", "events"])
def test_who_waits_for_changes_is_let_go_at_once(kubeconfig: Path, admin: Admin, path: str) -> None:
    with (
        running(kubeconfig, admin.namespace, DRAIN_SECONDS="15") as (process, url),
        ThreadPoolExecutor(1) as pool,
    ):
        app = f"{url}/egress/v1/demo"
        assert post(f"{app}/tasks", START_FLAT) == 202
        waiting = pool.submit(read, f"{app}/{path.format(task=admin.tasks()[0]['metadata']['name'])}")
        poll(lambda: re.search(r"held_requests{.*} 1.0", text(f"{url}/metrics")) is not None, "it waits")
        process.send_signal(signal.SIGTERM)
        assert b'"ENQUEUED"' in waiting.result(10)
        assert status(f"{url}/healthz") == 200, "others are still served"
        process.send_signal(signal.SIGTERM)  # the rest of the drain is not what this is about
        process.wait(10)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def text(url: str) -> str:
    return read(url).decode()


def post(url: str, body: dict[str, Any]) -> int | None:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except OSError:
        return None
