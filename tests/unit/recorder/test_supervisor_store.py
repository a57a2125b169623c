"""The recorder as a process before a real S3 server that fails: what its status says meanwhile, and how it ends."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from egress_api.results import LiveReport
from support import store_faults
from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, assert_nothing_broken
from support.s3_server import S3Server, options_for, write_keys
from support.store_faults_server import Proxy, Rule

Make = Callable[..., RecorderProcess]


@pytest.fixture
def make(recorder: Make, proxy: Proxy, s3: S3Server) -> Make:
    def before_the_store(**changes: Any) -> RecorderProcess:
        store = {"url": "s3://recordings/t1/", "options": options_for(proxy.port)}
        it = recorder([{"every": 0.2}], store=store, **changes)
        it.store = s3.bucket / "t1"
        it.settings["upload_backoff_seconds"] = "1"
        write_keys(it.folder / "credentials")
        return it

    return before_the_store


async def begin(it: RecorderProcess) -> None:
    """Record until a few segments are in the store."""
    await it.start()
    await it.until(lambda: it.listed() >= 2)


def failing(it: RecorderProcess) -> Callable[[], LiveReport | None]:
    """Say what it reports once uploads fail and much waits."""

    def report() -> LiveReport | None:
        said = it.report()
        return said if said and said.upload_error and said.pending_bytes > 40_000 else None

    return report


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (store_faults.DOWN, "Connection refused"),
        (store_faults.SLOW_DOWN, "SlowDown"),
        (store_faults.EXPIRED, "ExpiredToken"),
        (store_faults.NO_BUCKET, "NoSuchBucket"),
    ],
    ids=lambda value: value.code if isinstance(value, Rule) else "",
)
async def test_an_outage_shows_in_the_status_and_leaves_no_trace_in_the_recording(
    make: Make, proxy: Proxy, rule: Rule, words: str
) -> None:
    it = make()
    await begin(it)
    await proxy.set(rule)
    report = await it.until(failing(it))
    assert words in report.upload_error
    assert report.phase == "recording"
    assert it.ready()
    assert it.get("/healthz")[0] == 200
    await proxy.set()
    listed = it.listed()
    await it.until(lambda: it.listed() > listed + 5)
    await it.until(lambda: (it.report() or report).upload_error == "")
    summary = await it.stop()
    assert (summary.reason, summary.uploaded, summary.gaps) == ("StopRequested", True, [])
    assert not any(segment.discontinuity for segment in assert_ended(it).segments)


async def test_an_outage_at_the_end_is_waited_for_and_the_recording_is_whole(
    make: Make, proxy: Proxy
) -> None:
    it = make()
    await begin(it)
    await proxy.set(store_faults.INTERNAL_ERROR)
    await it.until(failing(it))
    it.send(signal.SIGTERM)
    await it.until(lambda: (report := it.report()) and report.phase == "finalizing")
    assert "#EXT-X-ENDLIST" not in it.playlist()
    await proxy.set()
    summary = await it.ended()
    assert (summary.reason, summary.uploaded) == ("StopRequested", True)
    assert not any(segment.discontinuity for segment in assert_ended(it).segments)


@pytest.mark.parametrize(
    "unwritten", ["", r"manifest\.json", r"\.m3u8"], ids=["anywhere", "before the lists", "between the lists"]
)
async def test_a_store_that_stays_away_ends_the_attempt_which_says_why_and_leaves_nothing_broken(
    make: Make, proxy: Proxy, unwritten: str
) -> None:
    it = make(finalize_seconds=6)
    await begin(it)
    if unwritten:
        # Where an outage begins is chance: here it begins with segments stored that no list, or one alone, names.
        stored = len(it.segments_stored())
        await proxy.set(Rule("status", methods=("PUT",), key=unwritten))
        await it.until(lambda: len(it.segments_stored()) > max(stored, it.listed()))
    await proxy.set(store_faults.DOWN)
    await it.until(failing(it))
    summary = await it.stop()
    assert (summary.outcome, summary.reason, summary.uploaded, summary.retryable) == (
        "failed",
        "StoreUnreachable",
        False,
        True,
    )
    assert "did not reach the store" in summary.message
    assert "Connection refused" in summary.message
    assert "#EXT-X-ENDLIST" not in it.playlist()
    assert not assert_nothing_broken(it).complete

    # The next attempt finds all of it.
    left = it.segments_stored()
    await proxy.set()
    await it.start(attempt=2)
    await it.until(lambda: it.listed() > len(left))
    await it.stop()
    assert left <= {segment.name for segment in assert_ended(it).segments}


@pytest.mark.parametrize(
    "rule", [store_faults.DOWN, store_faults.EXPIRED], ids=["nobody listens", "credentials expired"]
)
async def test_a_recorder_that_takes_over_while_the_store_fails_waits_for_it(
    make: Make, proxy: Proxy, rule: Rule
) -> None:
    it = make()
    await begin(it)
    await it.kill()
    await proxy.set(rule)
    await it.start(attempt=2)
    await it.until(lambda: len(it.events("store-fails")) >= 2)
    report = it.report()
    assert report is not None
    assert report.message.startswith("Waits for the store. The store s3://")
    await proxy.set()
    listed = it.listed()
    await it.until(lambda: it.listed() >= listed + 3)
    await it.stop()
    segments = assert_ended(it).segments
    assert [segment.attempt for segment in segments if segment.discontinuity] == [2]


async def test_a_first_recorder_whose_store_says_no_ends_before_it_records(make: Make, proxy: Proxy) -> None:
    it = make()
    await proxy.set(store_faults.EXPIRED)
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.joined_at) == ("failed", "StoreRefused", None)
    assert "ExpiredToken" in summary.message
