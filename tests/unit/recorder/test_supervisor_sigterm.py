"""SIGTERM at every moment: a playlist that plays to its end, or none at all, and within the grace period."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from egress_api.results import TerminationSummary
from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, listens_to_sigterm

Make = Callable[..., RecorderProcess]
GRACE_SECONDS = 30


@dataclass(frozen=True)
class Moment:
    """When the signal comes: what the captures do, and what has happened by then."""

    runs: list[dict[str, Any]]
    reached: Callable[[RecorderProcess], Any]
    recorded: bool
    """Whether there is something to play."""
    settings: dict[str, str] = field(default_factory=dict)


MOMENTS = {
    "while the program loads": Moment([{}], listens_to_sigterm, recorded=False),
    "before the claim is written": Moment([{}], lambda it: it.events("started"), recorded=False),
    "before the capture has started": Moment([{"join": 0.3}], lambda it: it.manifest(), recorded=False),
    "before the join": Moment([{"join": None}], lambda it: it.events("capture-started"), recorded=False),
    "before the first frame": Moment([{"blind": True}], lambda it: it.events("joined"), recorded=False),
    "in the first segment": Moment([{"segments": 0, "every": 600}], lambda it: it.ready(), recorded=True),
    "mid-segment": Moment([{"segments": 3, "every": 0.1}], lambda it: it.listed() >= 3, recorded=True),
    "as a capture dies": Moment(
        [{"segments": 3, "then": "crash"}, {"join": None}], lambda it: it.events("capture-exited"), recorded=True
    ),
    "in the pause before another capture": Moment(
        [{"segments": 3, "then": "crash"}, {"segments": 0, "then": "crash"}, {}],
        lambda it: len(it.events("capture-broke")) == 2,
        recorded=True,
        settings={"restart_pause_seconds": "600"},
    ),
    "while another capture joins": Moment(
        [{"segments": 3, "then": "crash"}, {"join": None}],
        lambda it: len(it.events("capture-started")) == 2,
        recorded=True,
    ),
    "while a lost source is waited for": Moment(
        [{"then": "ended:SourceUnreachable"}, {"refuse": "SourceUnreachable"}],
        lambda it: len(it.events("capture-broke")) >= 2,
        recorded=True,
    ),
    "while the disk is full": Moment(
        [{"then": "ended:DiskFull"}, {"segments": 0, "then": "ended:DiskFull"}],
        lambda it: len(it.events("capture-broke")) >= 3,
        recorded=True,
    ),
    "while a capture hangs": Moment(
        [{"segments": 3, "then": "hang"}], lambda it: it.listed() >= 3, recorded=True
    ),
    "as the recording ends by itself": Moment(
        [{"segments": 3, "then": "ended:SourceClosed", "lingers": True}],
        lambda it: it.listed() >= 3,
        recorded=True,
        settings={"silent_seconds": "1"},
    ),
}  # fmt: skip


async def stopped(recorder: RecorderProcess) -> TerminationSummary:
    began = asyncio.get_running_loop().time()
    summary = await recorder.stop()
    assert asyncio.get_running_loop().time() - began < GRACE_SECONDS
    return summary


@pytest.mark.parametrize("moment", MOMENTS)
async def test_it_ends_with_a_playlist_that_plays_or_none(recorder: Make, moment: str) -> None:
    at = MOMENTS[moment]
    it = recorder(at.runs, finalize_seconds=GRACE_SECONDS)
    it.settings |= at.settings
    await it.start()
    await it.until(lambda: at.reached(it))
    summary = await stopped(it)
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    if at.recorded or it.playlist():
        assert assert_ended(it).files == summary.files
    else:
        assert summary.files == []


@pytest.mark.parametrize("back", [True, False], ids=["the store comes back", "the store stays away"])
async def test_while_it_uploads_it_ends_with_what_is_in_the_store(recorder: Make, *, back: bool) -> None:
    it = recorder([{}], finalize_seconds=6)
    it.settings["upload_backoff_seconds"] = "0.3"
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    before = it.playlist()
    away = it.store.with_name("away")
    it.store.rename(away)
    it.store.write_text("no folder")
    await it.until(lambda: (said := it.report()) and said.upload_error)
    stopping = asyncio.create_task(it.stop())
    await it.until(lambda: it.events("capture-exited"))
    if back:
        it.store.unlink()
        away.rename(it.store)
        assert (await stopping).uploaded
        assert_ended(it)
        return
    summary = await stopping
    assert (summary.outcome, summary.uploaded, summary.retryable) == ("failed", False, True)
    it.store.unlink()
    away.rename(it.store)
    # Open: the next attempt closes it. What it lists is there.
    assert it.playlist().startswith(before)
    assert "#EXT-X-ENDLIST" not in it.playlist()


async def test_while_it_claims_from_a_store_that_does_not_answer_the_first_attempt_ends_at_once(
    recorder: Make,
) -> None:
    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    options = {
        "aws_endpoint": endpoint,
        "aws_region": "here",
        "allow_http": "true",
        "aws_skip_signature": "true",
    }
    it = recorder([{}], store={"url": "s3://bucket/t1/", "options": options}, finalize_seconds=GRACE_SECONDS)
    await it.start()
    await it.until(lambda: held)
    summary = await stopped(it)
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "StopRequested", True)
    assert it.events("capture-started") == []
    silent.close()
    for writer in held:
        writer.close()


@pytest.mark.parametrize("reached", ["program", "claim"])
async def test_a_recorder_that_is_only_to_finish_still_does(recorder: Make, reached: str) -> None:
    # It hangs, so that nothing is on its way when it is killed: on plain files that could not be adopted.
    it = recorder([{"segments": 3, "then": "hang"}])
    await it.start()
    await it.until(lambda: it.listed() == 3)
    await it.kill()
    started = len(it.events("started"))
    await it.start(attempt=2, finish_only=True, finalize_seconds=GRACE_SECONDS)
    if reached == "program":
        await it.until(lambda: listens_to_sigterm(it))
    else:
        await it.until(lambda: len(it.events("started")) > started)
    summary = await stopped(it)
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    assert assert_ended(it).files == summary.files
