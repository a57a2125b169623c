"""A recorder to test: its configuration, and the real program as a process with a scripted capture under it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from egress_api.constants import RECORDER_CONFIG_ENV
from egress_api.manifest import Manifest
from egress_api.recorder import RecorderConfig
from egress_api.results import LiveReport, TerminationSummary
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.live import Live
from egress_recorder.people import People
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal

SCRIPT = Path(__file__).with_name("scripted_capture.py")
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def recorder_config(**changes: Any) -> RecorderConfig:
    """Return the configuration of a recording of the channel `standup`."""
    given = {
        "task_id": "t1",
        "task_uid": "uid-1",
        "app_id": "app1",
        "namespace": "egress",
        "attempt": 1,
        "created_at": NOW,
        "layout": "flat",
        "channel": "standup",
        "output_name": "out",
        "video": {},
        "audio": {},
        "source": {"kind": "livekit", "url": "ws://rtc.example:7880"},
        "store": {"url": "file:///nowhere/"},
        "token_file": "/run/egress/token/access_token",
        "max_duration_seconds": 3600,
        "finalize_seconds": 30,
    }
    return RecorderConfig.model_validate(given | changes)


def recorder_context(config: RecorderConfig, **settings: Any) -> Context:
    """Return what the recorder's parts share; keywords are of its `Settings`."""
    return Context(
        config=config,
        settings=Settings(**settings),
        clock=SystemClock(),
        live=Live(config=config, people=People(now=0.0), beat_at=0.0),
        stop=StopSignal(),
        log=structlog.get_logger(),
    )


class RecorderProcess:
    """`python -m egress_recorder` with its own spool, store and script."""

    def __init__(self, folder: Path, scenario: list[dict[str, Any]], **changes: Any) -> None:
        self.folder = folder
        self.store = folder / "store" / "t1"
        self.spool = folder / "spool"
        self.termination = folder / "termination"
        self.log = folder / "log"
        self.scenario = folder / "scenario.json"
        self.settings: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.given = {"store": {"url": self.store.as_uri() + "/"}} | changes
        self.process: asyncio.subprocess.Process | None = None
        self.script(scenario)

    def script(self, scenario: list[dict[str, Any]]) -> None:
        self.scenario.write_text(json.dumps(scenario))
        self.scenario.with_suffix(".count").unlink(missing_ok=True)

    async def start(self, **changes: Any) -> None:
        config = recorder_config(**self.given | changes)
        environment = os.environ | {
            RECORDER_CONFIG_ENV: config.model_dump_json(by_alias=True),
            "EGRESS_RECORDER_HOST": "127.0.0.1",
            "EGRESS_RECORDER_PORT": "0",
            "EGRESS_RECORDER_SPOOL": str(self.spool),
            "EGRESS_RECORDER_TERMINATION_LOG": str(self.termination),
            "EGRESS_RECORDER_STORE_CREDENTIALS_DIR": str(self.folder / "credentials"),
            "EGRESS_RECORDER_CAPTURE_COMMAND": json.dumps([sys.executable, str(SCRIPT), str(self.scenario)]),
            **{f"EGRESS_RECORDER_{name.upper()}": value for name, value in self.settings.items()},
            **self.environment,
        }
        self.termination.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "egress_recorder", env=environment, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, *, within: float = 40) -> TerminationSummary:
        """Wait for the exit and return the last words; the exit code must agree with them."""
        assert self.process is not None
        async with asyncio.timeout(within):
            code = await self.process.wait()
        summary = TerminationSummary.from_message(self.termination.read_text())
        assert summary is not None, self.log.read_text()
        assert code == (0 if summary.outcome == "stopped" else 1)
        return summary

    async def stop(self) -> TerminationSummary:
        # One that only closes what others left may be through before the signal is sent.
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it as the kernel would, if it still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def until(self, what: Callable[[], Any], *, within: float = 40) -> Any:
        """Poll until `what` gives something true, and return that."""
        deadline = time.monotonic() + within
        while not (found := await asyncio.to_thread(what)):
            assert time.monotonic() < deadline, f"waited {within} s in vain; the log:\n{self.log.read_text()}"
            await asyncio.sleep(0.02)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of an event, of every start."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def get(self, path: str) -> tuple[int, str]:
        """Ask the running recorder over HTTP; status 0 when it does not listen."""
        started = self.events("started")
        if not started:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{started[-1]['port']}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def report(self) -> LiveReport | None:
        status, body = self.get("/status")
        return LiveReport.model_validate_json(body) if status == 200 else None

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def playlist(self) -> str:
        path = self.store / "out.m3u8"
        return path.read_text() if path.exists() else ""

    def manifest(self) -> Manifest | None:
        path = self.store / "manifest.json"
        return Manifest.model_validate_json(path.read_bytes()) if path.exists() else None

    def listed(self) -> int:
        """Return how many segments the playlist in the store lists now."""
        return self.playlist().count("#EXTINF")

    def listed_names(self) -> list[str]:
        """Return the segments that the playlist in the store lists now."""
        return [line for line in self.playlist().splitlines() if not line.startswith("#")]

    def segments_stored(self) -> set[str]:
        """Return the segments that are in the store, whoever lists them."""
        return {path.name for path in self.store.glob("out_*.ts")}

    def capture_config(self, number: int = 0) -> dict[str, Any]:
        """Return what the capture was told at its `number`-th start."""
        return json.loads(Path(f"{self.scenario}.config-{number}").read_text())
