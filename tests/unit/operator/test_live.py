"""Following running recorders over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from egress_api.page import PageReport, Sandbox, Step
from egress_api.states import GapReason
from egress_api.status import Gap
from egress_operator import live as module
from egress_operator.live import LiveReports
from egress_operator.metrics import Metrics
from egress_operator.pod_state import PodView
from support.operator_parts import running
from support.summaries import START, live

DEADLINE_SECONDS = 10.0
GAP = Gap(started_at=START, seconds=1.0, reason=GapReason.CAPTURE_RESTARTED)


class Recorder:
    """Answers as a recorder does, or not."""

    def __init__(self) -> None:
        self.answer: str | None = live().model_dump_json(by_alias=True)
        self.asked = 0
        self.port = 0

    async def status(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(text=self.answer or "", status=200 if self.answer is not None else 503)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    app = web.Application()
    app.add_routes([web.get("/status", recorder.status)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.port = runner.addresses[0][1]
    yield recorder
    await runner.cleanup()


async def until(look: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    while not look():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


def here(**changes: Any) -> PodView:
    return running(ip="127.0.0.1", **changes)


async def test_a_report_rings_once_until_there_is_news(recorder: Recorder) -> None:
    rung: list[str] = []
    metrics = Metrics()
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=metrics, port=recorder.port
    ) as reports:
        reports.follow("a", here())
        await until(lambda: rung == ["a"])
        asked = recorder.asked
        await until(lambda: recorder.asked >= asked + 5)
        assert rung == ["a"]
        recorder.answer = live(first_frame_at=START + timedelta(seconds=1)).model_dump_json(by_alias=True)
        await until(lambda: rung == ["a", "a"])
        latest = reports.latest("a", here())
        assert latest is not None
        assert latest.first_frame_at == START + timedelta(seconds=1)


async def test_a_step_of_a_page_is_news(recorder: Recorder) -> None:
    rung: list[str] = []
    waits = live(files=[], files_total=0, joined_at=None, page=PageReport(sandbox=Sandbox.ON))
    recorder.answer = waits.model_dump_json(by_alias=True)
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=Metrics(), port=recorder.port
    ) as reports:
        reports.follow("a", here(ready=False))
        await until(lambda: rung == ["a"])
        loaded = PageReport(sandbox=Sandbox.ON, loaded=Step(done=True, reason="Loaded"))
        recorder.answer = waits.model_copy(update={"page": loaded}).model_dump_json(by_alias=True)
        await until(lambda: rung == ["a", "a"])


@pytest.mark.parametrize(
    "news",
    [
        {"paused": True},
        {"gaps": [GAP], "lost_seconds": 1.0},
        {"upload_error": "no answer"},
        {"upload_error": "no answer", "pending_bytes": 3_000_000},
    ],
)
async def test_what_a_user_would_want_to_know_is_news(recorder: Recorder, news: dict[str, Any]) -> None:
    rung: list[str] = []
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=Metrics(), port=recorder.port
    ) as reports:
        reports.follow("a", here())
        await until(lambda: rung == ["a"])
        recorder.answer = live(**news).model_dump_json(by_alias=True)
        await until(lambda: rung == ["a", "a"])
        asked = recorder.asked
        await until(lambda: recorder.asked >= asked + 3)
        assert rung == ["a", "a"]


async def test_a_recorder_that_does_not_answer_is_silent_since_the_first_look_in_vain(
    recorder: Recorder,
) -> None:
    async with LiveReports[str](
        poll_seconds=0.02, ring=lambda _: None, metrics=Metrics(), port=recorder.port
    ) as reports:
        pod = here()
        assert reports.silent_seconds("a", pod) is None
        reports.follow("a", pod)
        assert reports.silent_seconds("a", pod) is None
        await until(lambda: reports.silent_seconds("a", pod) == 0.0)
        recorder.answer = None
        await until(lambda: (reports.silent_seconds("a", pod) or 0.0) > 0.2)
        assert reports.silent_seconds("a", here(uid="other")) is None
        recorder.answer = live().model_dump_json(by_alias=True)
        await until(lambda: reports.silent_seconds("a", pod) == 0.0)


async def test_silence_counts_only_when_it_was_asked_since_somebody_waits_for_it(
    recorder: Recorder,
) -> None:
    recorder.answer = None
    async with LiveReports[str](
        poll_seconds=30, ring=lambda _: None, metrics=Metrics(), port=recorder.port
    ) as reports:
        pod = here()
        reports.follow("a", pod)
        await until(lambda: reports.silent_seconds("a", pod) is not None)
        asked = recorder.asked
        reports.follow("a", pod, closely=True)
        assert reports.silent_seconds("a", pod) is None
        await until(lambda: (reports.silent_seconds("a", pod) or 0.0) > 0.0)
        assert recorder.asked > asked


async def test_a_backlog_lasts_when_it_has_been_there_for_a_while(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKLOG_SECONDS", 0.2)
    rung: list[str] = []
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=Metrics(), port=recorder.port
    ) as reports:
        recorder.answer = live(pending_bytes=3_000_000).model_dump_json(by_alias=True)
        reports.follow("a", here())
        await until(lambda: rung == ["a"])
        assert not reports.backlog_lasts("a", here())
        await until(lambda: rung == ["a", "a"])
        assert reports.backlog_lasts("a", here())
        recorder.answer = live().model_dump_json(by_alias=True)
        await until(lambda: rung == ["a", "a", "a"])
        assert not reports.backlog_lasts("a", here())


async def test_a_report_that_comes_in_pieces_is_read_to_its_end() -> None:
    report = live(message="x" * 2000).model_dump_json(by_alias=True).encode()
    rung: list[str] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(report)}\r\nConnection: close\r\n\r\n"
        for part in (head.encode(), report[:100], report[100:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)  # so that it comes in packets of its own
        writer.close()
        await writer.wait_closed()
        served.set()

    metrics = Metrics()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with LiveReports[str](poll_seconds=30, ring=rung.append, metrics=metrics, port=port) as reports:
            reports.follow("a", here())
            await until(lambda: rung == ["a"])
        await asyncio.wait_for(served.wait(), DEADLINE_SECONDS)
    assert metrics.registry.get_sample_value("egress_operator_live_failures_total") == 0


@pytest.mark.parametrize("answer", [None, "no JSON", '{"v": 1, "phase": "unheard-of"}'])
async def test_what_is_no_report_is_counted_and_asked_for_again(
    recorder: Recorder, answer: str | None
) -> None:
    rung: list[str] = []
    metrics = Metrics()
    recorder.answer = answer
    async with LiveReports[str](
        poll_seconds=0.01, ring=rung.append, metrics=metrics, port=recorder.port
    ) as reports:
        reports.follow("a", here())
        await until(lambda: recorder.asked >= 1)
        await until(lambda: bool(metrics.registry.get_sample_value("egress_operator_live_failures_total")))
        assert (rung, reports.latest("a", here())) == ([], None)
        recorder.answer = live().model_dump_json(by_alias=True)
        await until(lambda: rung == ["a"])


async def test_a_new_pod_of_a_task_takes_the_place_of_the_old(recorder: Recorder) -> None:
    rung: list[str] = []
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=Metrics(), port=recorder.port
    ) as reports:
        reports.follow("a", here())
        await until(lambda: rung == ["a"])
        reports.follow("a", here(uid="later"))
        assert reports.latest("a", here()) is None
        await until(lambda: rung == ["a", "a"])
        assert reports.latest("a", here(uid="later")) is not None


async def test_nobody_is_asked_any_more_once_dropped(recorder: Recorder) -> None:
    rung: list[str] = []
    async with LiveReports[str](
        poll_seconds=0.02, ring=rung.append, metrics=Metrics(), port=recorder.port
    ) as reports:
        reports.follow("a", here())
        await until(lambda: rung == ["a"])
        reports.drop("a")
        await asyncio.sleep(0)
        asked = recorder.asked
        await asyncio.sleep(0.1)  # five polls
        assert recorder.asked <= asked + 1
