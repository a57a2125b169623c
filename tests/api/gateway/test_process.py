"""The process as a Pod runs it: environment in, JSON lines out, an orderly end on SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.bad_starts import START_FLAT
from support.gateway import Admin


@contextmanager
def running(kubeconfig: Path, namespace: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a gateway; give the process and its URL."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "EGRESS_GATEWAY_NAMESPACE": namespace,
        "EGRESS_GATEWAY_HOST": "127.0.0.1",
        "EGRESS_GATEWAY_PORT": "0",
        **{f"EGRESS_GATEWAY_{name}": value for name, value in settings.items()},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "egress_gateway"], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdout is not None
    try:
        first = json.loads(process.stdout.readline())
        assert first["msg"] == "the gateway listens", first
        url = f"http://{first['addresses'][0]}"
        until(lambda: status(f"{url}/readyz") == 200, "the gateway is ready")
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait(10)


def status(url: str) -> int | None:
    """Return an answer's status, None where nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def until(probe: object, what: str, seconds: float = 10) -> None:
    assert callable(probe)
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def test_sigterm_drains_and_ends_well(kubeconfig: Path, admin: Admin) -> None:
    with running(kubeconfig, admin.namespace, DRAIN_SECONDS="1") as (process, url):
        process.send_signal(signal.SIGTERM)
        until(lambda: status(f"{url}/readyz") == 503, "it says that it ends")
        assert status(f"{url}/healthz") == 200  # still served: the Service may not know yet
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert process.wait(10) == 0
        assert status(f"{url}/healthz") is None
    messages = [line["msg"] for line in lines]
    assert any("auth mode: none" in message for message in messages)
    assert messages[-1] == "shut down"


def test_a_request_in_flight_is_answered(kubeconfig: Path, admin: Admin) -> None:
    with running(kubeconfig, admin.namespace, DRAIN_SECONDS="0.2") as (process, url):
        port = int(url.rpartition(":")[2])
        body = json.dumps(START_FLAT).encode()
        head = (
            "POST /egress/v1/demo/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(head + body[:100])
            process.send_signal(signal.SIGTERM)
            until(lambda: status(f"{url}/healthz") is None, "it no longer listens")
            slow.sendall(body[100:])
            answer = b""
            while part := slow.recv(4096):
                answer += part
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert process.wait(15) == 0
    assert len(admin.tasks()) == 1
