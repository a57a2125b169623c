from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_api.page import PageReport, Sandbox, Step
from egress_api.results import MAX_TERMINATION_BYTES, Outcome, TerminationSummary
from egress_api.status import FileKind, OutputFile

NOW = datetime(2026, 11, 23, 5, 11, 22, 250_000, tzinfo=UTC)


def output_file(name: str) -> OutputFile:
    return OutputFile(
        name=name,
        uri=f"s3://recordings/demo/t1/{name}",
        kind=FileKind.PLAYLIST,
        size_bytes=1,
        duration_seconds=4.5,
    )


def summary(files: list[OutputFile], message: str = "") -> TerminationSummary:
    return TerminationSummary(
        attempt=1,
        outcome=Outcome.STOPPED,
        reason="StopRequested",
        message=message,
        uploaded=True,
        ended_at=NOW,
        files=files,
        files_total=len(files),
        manifest_uri="s3://recordings/demo/t1/manifest.json",
    )


def test_what_was_written_is_read() -> None:
    wrote = summary([output_file("a.m3u8")], "Stopped.")
    assert TerminationSummary.from_message(wrote.to_message()) == wrote


@given(names=st.lists(st.text(max_size=80), max_size=60), message=st.text(max_size=4000))
def test_a_message_always_fits_and_keeps_the_count(names: list[str], message: str) -> None:
    text = summary([output_file(name) for name in names], message).to_message()
    assert len(text.encode()) <= MAX_TERMINATION_BYTES
    read = TerminationSummary.from_message(text)
    assert read is not None
    assert read.files_total == len(names)
    assert [f.name for f in read.files] == names[: len(read.files)]


@given(names=st.lists(st.text(max_size=80), max_size=60), sentence=st.text(max_size=500))
def test_the_message_of_a_page_fits_with_three_long_sentences(names: list[str], sentence: str) -> None:
    step = Step(done=False, reason="P" * 64, message=sentence)
    page = PageReport(
        sandbox=Sandbox.OFF, http_status=503, reloads=3, loaded=step, ready=step, first_frame=step
    )
    whole = summary([output_file(name) for name in names], sentence).model_copy(update={"page": page})
    text = whole.to_message()
    assert len(text.encode()) <= MAX_TERMINATION_BYTES
    read = TerminationSummary.from_message(text)
    assert read is not None
    assert read.page is not None
    assert read.page.ready is not None
    assert sentence.startswith(read.page.ready.message)


@pytest.mark.parametrize(
    "text", [None, "", "Killed", "{}", "[1]", '{"v":2}', "\x00", '{"v":1,"outcome":"sto']
)
def test_other_text_is_no_summary(text: str | None) -> None:
    assert TerminationSummary.from_message(text) is None


@given(text=st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert TerminationSummary.from_message(text) is None


def test_a_cut_message_is_no_summary() -> None:
    text = summary([output_file("a.m3u8")]).to_message()
    assert TerminationSummary.from_message(text[:-1]) is None
