"""The recorders that kwok plays: how their Pods go on, what they answer while they run, and their last words.

In: the address at which all of them answer. Out: kwok's configuration, and a server on that address. Words and reports
are made with the recorder's own models: what the operator reads here is what it reads of a real one.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web

from bench.errors import BenchError
from egress_api.constants import RECORDER_PORT
from egress_api.results import LiveReport, Outcome, RecorderPhase, TerminationSummary
from egress_api.states import Reason
from egress_api.status import FileKind, OutputFile

ADDRESS = "127.77.0.1"
"""Of every Pod: loopback, and nobody else's."""
_FOLDER = "s3://recordings/bench/task"
_JOINED = datetime(2001, 1, 1, tzinfo=UTC)
_ENDED = _JOINED + timedelta(days=1)
"""Stand for the Pod's own moments until kwok fills these in."""


def configuration() -> str:
    """Write kwok's configuration."""
    here = Path(__file__).parent
    ended = (here / "ended.tmpl").read_text().replace("@LAST_WORDS@", last_words().replace("'", "''"))
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((here / "stages.yaml").read_text()))
    for document in documents:
        step = document.get("spec", {}).get("next", {})
        if "statusTemplate" in step:
            template: str = step["statusTemplate"]
            step["statusTemplate"] = template.replace("@ENDED@", ended).replace("@ADDRESS@", ADDRESS)
    return yaml.safe_dump_all(documents)


def last_words() -> str:
    """Return the termination message of a recording of 8 s, as a template of kwok's."""
    summary = TerminationSummary(
        attempt=1,
        outcome=Outcome.STOPPED,
        reason=Reason.STOP_REQUESTED,
        uploaded=True,
        joined_at=_JOINED,
        first_frame_at=_JOINED,
        ended_at=_ENDED,
        recorded_seconds=8.0,
        files=[_playlist(8.0)],
        files_total=1,
        manifest_uri=f"{_FOLDER}/manifest.json",
        message="the recording was stopped as asked",
    )
    text, fields = summary.to_message(), summary.model_dump(mode="json")
    return text.replace(fields["joined_at"], "{{ .status.startTime }}").replace(
        fields["ended_at"], "{{ Now }}"
    )


def report(joined_at: datetime, *, seconds: float) -> str:
    """Return what each of them answers once it has recorded for so long."""
    return LiveReport(
        attempt=1,
        phase=RecorderPhase.RECORDING,
        joined_at=joined_at,
        first_frame_at=joined_at,
        recorded_seconds=seconds,
        files=[_playlist(seconds)],
        files_total=1,
        manifest_uri=f"{_FOLDER}/manifest.json",
        participants=2,
    ).model_dump_json(by_alias=True, exclude_none=True)


def _playlist(seconds: float) -> OutputFile:
    return OutputFile(
        name="file_output.m3u8",
        uri=f"{_FOLDER}/file_output.m3u8",
        kind=FileKind.PLAYLIST,
        size_bytes=int(seconds * 125_000),
        duration_seconds=seconds,
    )


class Recorders:
    """Answers `GET /status` for all of them, as old as this server is. An async context manager."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._runner: web.AppRunner | None = None
        self.asked = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.get("/status", self._status)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, ADDRESS, RECORDER_PORT).start()
        except OSError as error:
            await self._runner.cleanup()
            raise BenchError(
                f"{ADDRESS}:{RECORDER_PORT} is taken ({error.strerror}): the operator asks recorders at port"
                f" {RECORDER_PORT} of their Pod's address; end what listens there on all addresses"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _status(self, _: web.Request) -> web.Response:
        self.asked += 1
        seconds = (datetime.now(UTC) - self._began).total_seconds()
        return web.Response(text=report(self._began, seconds=seconds), content_type="application/json")
