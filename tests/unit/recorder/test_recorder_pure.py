"""The small pure parts: who is there, how often a capture may die, pauses, settings, words in the log."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from egress_api.results import RecorderPhase, TerminationSummary
from egress_api.states import Reason
from egress_recorder import backoff, logs
from egress_recorder.capture.events import Change
from egress_recorder.ending import Ending
from egress_recorder.errors import ConfigurationError, FencedError, StoreUnreachableError
from egress_recorder.limits import RestartLimit
from egress_recorder.live import Live
from egress_recorder.metrics import MetricsText
from egress_recorder.people import People
from egress_recorder.recording import Recording, StoredSegment
from egress_recorder.settings import Settings, load_config
from egress_recorder.stop_signal import StopSignal
from support.recorder import NOW, recorder_config


def test_people_count_while_they_send_something() -> None:
    people = People(now=0.0)
    people.joined(now=0.0)
    people.note("anna", Change.JOINED, now=1.0)
    assert (people.active, people.idle_seconds(now=3.0)) == (0, 3.0)
    people.note("anna", Change.VIDEO_ON, now=4.0)
    people.note("anna", Change.AUDIO_ON, now=4.0)
    people.note("ben", Change.AUDIO_ON, now=4.0)
    assert (people.active, people.idle_seconds(now=60.0)) == (2, 0.0)
    people.note("anna", Change.VIDEO_OFF, now=61.0)
    people.note("ben", Change.LEFT, now=62.0)
    assert (people.active, people.idle_seconds(now=70.0)) == (1, 0.0)
    people.note("anna", Change.AUDIO_OFF, now=71.0)
    assert (people.active, people.idle_seconds(now=80.0)) == (0, 9.0)


def test_a_camera_that_goes_off_leaves_the_same_persons_screen_on() -> None:
    people = People(now=0.0)
    people.joined(now=0.0)
    people.note("anna", Change.VIDEO_ON, now=1.0)
    people.note("anna", Change.VIDEO_ON, now=2.0)
    people.note("anna", Change.VIDEO_OFF, now=3.0)
    assert (people.active, people.idle_seconds(now=9.0)) == (1, 0.0)
    people.note("anna", Change.VIDEO_OFF, now=10.0)
    assert (people.active, people.idle_seconds(now=12.0)) == (0, 2.0)


def test_time_in_which_nobody_could_be_seen_is_not_idle_time() -> None:
    people = People(now=0.0)
    assert people.idle_seconds(now=25.0) == 0.0
    people.joined(now=25.0)
    assert people.idle_seconds(now=30.0) == 5.0
    people.forget(now=30.0)
    assert people.idle_seconds(now=90.0) == 5.0
    people.joined(now=90.0)
    assert people.idle_seconds(now=91.0) == 6.0
    people.note("anna", Change.VIDEO_ON, now=92.0)
    people.forget(now=100.0)
    people.joined(now=110.0)
    assert people.idle_seconds(now=111.0) == 1.0


def test_restarts_are_counted_within_a_window() -> None:
    limit = RestartLimit(limit=2, window=60.0)
    assert [limit.allow(now=t) for t in (0.0, 1.0, 2.0, 59.9, 60.0, 60.5, 61.0)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert limit.within_window == 2


@given(st.integers(1, 10_000), st.floats(0.5, 60))
def test_pauses_grow_to_the_ceiling_and_no_further(tries: int, ceiling: float) -> None:
    step = min(ceiling, 0.25 * 2.0 ** min(tries - 1, 16))
    assert step / 2 <= backoff.pause(tries, ceiling=ceiling) <= step


async def test_a_second_wish_to_end_is_a_hurry_and_does_not_move_the_deadline() -> None:
    stop = StopSignal()
    assert not await stop.wait(seconds=0)
    stop.ask(now=5.0)
    assert (await stop.wait(seconds=0), stop.asked_at, stop.hurry) == (True, 5.0, False)
    stop.ask(now=9.0)
    assert (stop.asked_at, stop.hurry) == (5.0, True)


async def test_being_told_to_end_starts_no_deadline_and_a_signal_afterwards_does() -> None:
    stop = StopSignal()
    stop.tell()
    assert (await stop.wait(seconds=0), stop.asked, stop.asked_at, stop.hurry) == (True, True, None, False)
    stop.ask(now=5.0)
    assert (stop.asked_at, stop.hurry) == (5.0, False)


def test_an_error_knows_the_end_it_means() -> None:
    gone = Ending.of_error(StoreUnreachableError("The store is away."))
    assert (gone.reason, gone.message, gone.retryable, gone.fenced) == (
        Reason.STORE_UNREACHABLE,
        "The store is away.",
        True,
        False,
    )
    overtaken = Ending.of_error(FencedError("Attempt 3 has it."))
    assert (overtaken.retryable, overtaken.fenced) == (False, True)


def test_the_configuration_is_read_from_the_environment() -> None:
    config = recorder_config()
    assert load_config({"EGRESS_RECORDER_CONFIG": config.model_dump_json(by_alias=True)}) == config


def test_what_a_newer_operator_adds_is_ignored() -> None:
    config = recorder_config()
    given = json.loads(config.model_dump_json(by_alias=True))
    for part in (given, given["video"], given["audio"], given["source"], given["store"]):
        part["fromTheFuture"] = 1
    assert load_config({"EGRESS_RECORDER_CONFIG": json.dumps(given)}) == config


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "EGRESS_RECORDER_CONFIG is not set"),
        ({"EGRESS_RECORDER_CONFIG": "{"}, "not usable: text: Invalid JSON"),
        ({"EGRESS_RECORDER_CONFIG": '{"attempt": 0}'}, "attempt: Input should be greater than or equal to 1"),
    ],
)
def test_an_unusable_configuration_says_which_field(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_config(environ)


def test_settings_come_from_the_environment_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_RECORDER_SPOOL", "/elsewhere")
    monkeypatch.setenv("EGRESS_RECORDER_CAPTURE_COMMAND", '["/bin/capture", "-v"]')
    settings = Settings()
    assert (settings.spool, settings.capture_command) == (Path("/elsewhere"), ["/bin/capture", "-v"])
    monkeypatch.setenv("EGRESS_RECORDER_UPLOAD_PARALLEL", "0")
    with pytest.raises(ValueError, match="upload_parallel"):
        Settings()


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_log_lines_are_json_and_tokens_are_blotted_out(capsys: pytest.CaptureFixture[str]) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJkZXZrZXkifQ.c2lnbmF0dXJl"
    logs.configure("info", task_id="t1", attempt=2)
    try:
        structlog.get_logger().info("said", line=f"ws://rtc/rtc?access_token=abc&x=1 {token}")
        structlog.get_logger().debug("not said")
        try:
            int(f"bad token {token}")
        except ValueError:
            structlog.get_logger().exception("failed")
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["task_id"], first["attempt"], first["level"]) == ("said", "t1", 2, "info")
    assert first["line"] == "ws://rtc/rtc?access_token=[removed]&x=1 [removed]"
    assert "'bad token [removed]'" in second["exception"]


def live_with_segments(count: int) -> Live:
    book = Recording(recorder_config(), created_at=NOW)
    for number in range(count):
        segment = book.add(Path("x"), size_bytes=10, started_at=NOW, seconds=4.0)
        book.mark_stored(number, StoredSegment(name=segment.name, sha256="0" * 64, uploaded_at=NOW))
    live = Live(config=recorder_config(), people=People(now=0.0), beat_at=0.0, recording=book, claimed=True)
    live.joined_at, live.phase = NOW, RecorderPhase.RECORDING
    return live


def test_ready_needs_the_join_and_a_frame() -> None:
    live = live_with_segments(0)
    assert not live.ready
    live.producing = True
    assert live.ready


def test_last_words_fit_and_come_back_as_they_were() -> None:
    live = live_with_segments(3)
    ended = NOW + timedelta(seconds=12)
    summary = live.summary(
        Ending.stopped(Reason.STOP_REQUESTED, "Stopped as asked."), uploaded=True, now=ended
    )
    assert TerminationSummary.from_message(summary.to_message()) == summary
    assert (summary.recorded_seconds, summary.files_total, summary.ended_at) == (12.0, 1, ended)
    assert summary.manifest_uri == "file:///nowhere/manifest.json"


def test_metrics_are_what_prometheus_reads() -> None:
    live = live_with_segments(2)
    live.uploaded, live.restarts = 2, 1
    assert live.recording is not None
    live.recording.add(Path("x"), size_bytes=10, started_at=NOW + timedelta(seconds=4), seconds=4.0)
    live.recording.drop_oldest(spare=0)
    live.recording.pause_began(NOW + timedelta(seconds=8))
    families = {
        family.name: family for family in text_string_to_metric_families(MetricsText(live)().decode())
    }
    assert families["egress_recorder_segments_listed"].samples[0].value == 2
    assert families["egress_recorder_segments_uploaded"].samples[0].value == 2
    assert families["egress_recorder_capture_restarts"].samples[0].value == 1
    assert families["egress_recorder_lost_seconds"].samples[0].value == 4.0
    assert families["egress_recorder_segments_dropped"].samples[0].value == 1
    assert families["egress_recorder_paused"].samples[0].value == 1
    phases = {s.labels["phase"]: s.value for s in families["egress_recorder_phase"].samples}
    assert phases == {"starting": 0, "recording": 1, "finalizing": 0, "ended": 0}
