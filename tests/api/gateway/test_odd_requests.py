"""Requests that no client library would send get an answer like any other: never a 5xx, never plain text."""

import asyncio
from http import HTTPStatus
from pathlib import Path

from support.gateway import Admin, logs_of, running
from support.odd_requests import ODD_REQUESTS


async def told(port: int, sent: bytes) -> tuple[int, str]:
    """Send bytes, and return the status and media type of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(15):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    writer.close()
    await writer.wait_closed()
    kind = next((line.partition(": ")[2] for line in head if line.startswith("content-type: ")), "")
    return int(head[0].split()[1]), kind.partition(";")[0]


def test_odd_requests_get_documented_answers(kubeconfig: Path, admin: Admin) -> None:
    async def all_of(port: int) -> dict[str, tuple[int, str]]:
        return {what: await told(port, sent) for what, (_, sent) in ODD_REQUESTS.items()}

    settings = {"DRAIN_SECONDS": "0", "RESOLVE_SECONDS": "0.1"}
    with running(kubeconfig, admin.namespace, **settings) as (process, url), logs_of(process) as logs:
        answers = asyncio.run(all_of(int(url.rpartition(":")[2])))
        assert [line for line in logs() if line["level"] == "error"] == []
    assert {what: status for what, (status, _) in answers.items()} == {
        what: status for what, (status, _) in ODD_REQUESTS.items()
    }
    kinds = {kind for status, kind in answers.values() if status >= HTTPStatus.BAD_REQUEST}
    assert kinds == {"application/problem+json"}
