"""The child as a process: what it prints, what it leaves behind, how it goes."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest
import structlog
from structlog.testing import CapturingLogger

from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.capture.events import Event, Joined, Stats
from egress_recorder.capture_process import CaptureProcess, Exited

CONFIG = CaptureConfig(spool="/spool", source=SourceConfig(url="ws://rtc.example", channel="standup"))
JOINED = '{"event":"joined","at":1.0}'


async def start(code: str) -> tuple[CaptureProcess, CapturingLogger]:
    said = CapturingLogger()
    log = structlog.wrap_logger(
        said, wrapper_class=structlog.make_filtering_bound_logger(0), processors=[_plain]
    )
    return await CaptureProcess.start([sys.executable, "-c", code], CONFIG, log=log), said


def _plain(
    _logger: object, _method: str, event: dict[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    return (), event


async def all_of(capture: CaptureProcess, *, within: float = 15) -> tuple[list[Event], Exited]:
    events: list[Event] = []
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        match await capture.next(timeout=0.2):
            case None:
                pass
            case Exited() as end:
                return events, end
            case event:
                events.append(event)
    capture.kill()
    raise AssertionError(f"still running after {within} s; it said {events}")


async def test_it_gets_its_configuration_and_the_stop_by_its_input() -> None:
    capture, _ = await start(
        "import sys, json; c = json.loads(sys.stdin.readline());"
        f"print('{JOINED}', flush=True);"
        "stop = json.loads(sys.stdin.readline());"
        "sys.exit(7 if c['source']['channel'] == 'standup' and stop == {'command': 'stop'} else 1)"
    )
    while await capture.next(timeout=0.2) != Joined(at=1.0):
        pass
    await capture.stop()
    assert await all_of(capture) == ([], Exited(7))


async def test_what_is_no_event_is_logged_and_skipped() -> None:
    lines = ["GStreamer says hello", '{"event":"from the future"}', '{"event":[]}', "[1]", ""]
    capture, said = await start(
        f"print(*{lines!r}, sep=chr(10)); print('x' * 600_000); print({JOINED!r}, flush=True)"
    )
    events, end = await all_of(capture)
    assert (events, end.code) == ([Joined(at=1.0)], 0)
    assert [call.kwargs["line"] for call in said.calls][:4] == lines[:4]


async def test_its_log_is_passed_on_with_its_level() -> None:
    entry = json.dumps({"level": "error", "logger": "capture.output", "event": "no frames", "secret": "x"})
    capture, said = await start(f"import sys; sys.stderr.write({entry!r} + '\\nSegmentation fault\\n')")
    await all_of(capture)
    assert [(call.method_name, call.kwargs) for call in said.calls] == [
        ("error", {"logger": "capture.output", "event": "no frames"}),
        ("warning", {"logger": "capture", "event": "Segmentation fault"}),
    ]


async def test_the_last_words_of_a_dying_capture_are_heard_before_its_end() -> None:
    stats = '{"event":"stats","frames":5,"dropped":1}'
    capture, _ = await start(
        f"import os; [os.write(1, b'''{stats}\\n''') for _ in range(500)]; os.kill(os.getpid(), 9)"
    )
    events, end = await all_of(capture)
    assert end == Exited(-9)
    assert events == [Stats(frames=5, dropped=1)] * 500


async def test_a_child_that_holds_the_pipes_does_not_hide_the_end_and_is_killed(tmp_path: Path) -> None:
    capture, _ = await start(
        "import subprocess; p = subprocess.Popen(['sleep', '600']);"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))"
    )
    assert await all_of(capture) == ([], Exited(0))
    pid = int(await asyncio.to_thread((tmp_path / "pid").read_text))
    deadline = time.monotonic() + 5
    while await asyncio.to_thread(_runs, pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_kill_ends_a_capture_that_ignores_everything() -> None:
    capture, _ = await start(
        f"import signal; signal.signal(15, 1); print('{JOINED}', flush=True); signal.pause()"
    )
    assert await capture.next(timeout=10) == Joined(at=1.0)
    capture.kill()
    assert await all_of(capture) == ([], Exited(-9))
    capture.kill()
    await capture.stop()


async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await CaptureProcess.start(["/no/such/program"], CONFIG, log=structlog.get_logger())


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
