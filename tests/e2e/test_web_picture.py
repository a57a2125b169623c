"""What is to be seen and heard in a recorded page: each frame at its time, and all that pages can show.

Two recordings serve all tests of the first part and two those of the second: the page tells what it did and when, and
the recording is held against that.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import web_gallery, web_pace
from support.e2e import APP, Gateway, Tasks, request_id, until
from support.recording import Recording, strips, tones
from support.web_pages import ENDED, PAGE, STATES, WAITING, Run
from support.web_tasks import PageTasks, page_tasks

ROOT = Path(__file__).parents[2]
EXAMPLE = yaml.safe_load((ROOT / "examples" / "record-page.yaml").read_text())
SECONDS = 20
STEADY_FROM = 2.0
"""Media seconds from which on the pace counts: the first ones share the machine with the start of everything."""


@dataclass(frozen=True)
class Clocked:
    """A recording of clock.html, which asked for its start and its end."""

    run: Run
    task: str
    status: dict[str, Any]
    conditions: dict[str, tuple[str, str]]
    recording: Recording


@pytest.fixture(scope="module")
def pages() -> Iterator[PageTasks]:
    with page_tasks() as made:
        yield made


@pytest.fixture(scope="module")
def clocked(gateway: Gateway, pages: PageTasks, tmp_path_factory: pytest.TempPathFactory) -> Clocked:
    run = Run()
    spec = {**EXAMPLE["spec"], "url": run.url("clock.html", signal=2, end=SECONDS)}
    task = pages.apply({**EXAMPLE, "metadata": {"name": f"t{request_id()}"}, "spec": spec})
    pages.first_frame(task)
    status = pages.ended(task, "STOPPED", seconds=SECONDS + 60)
    recording = pages.read(task, tmp_path_factory.mktemp("clocked"))
    recording.watch(STATES)
    return Clocked(run, task, status, pages.conditions(task), recording)


def test_the_page_ends_its_recording(clocked: Clocked) -> None:
    assert clocked.status["reason"] == "PageEnded"
    assert clocked.status["attempt"] == 1


def test_each_step_is_a_condition(clocked: Clocked) -> None:
    steps = {step: clocked.conditions[step][0] for step in ("PageLoaded", "PageReady", "FirstFrame")}
    assert steps == {"PageLoaded": "True", "PageReady": "True", "FirstFrame": "True"}
    assert clocked.conditions["Complete"][0] == "True"


def test_the_status_tells_of_the_page(clocked: Clocked) -> None:
    page = clocked.status["page"]
    assert page["httpStatus"] == 200
    assert page["sandbox"] in {"on", "off"}
    assert page.get("reloads", 0) == 0
    assert clocked.status["source"] == "pages.egress-demo"


def test_the_playlist_and_every_segment_are_sound(clocked: Clocked) -> None:
    assert clocked.recording.problems(people=STATES) == []


def test_the_streams_are_what_was_asked(clocked: Clocked) -> None:
    streams = clocked.recording.streams
    assert (streams.width, streams.height, streams.video_codec) == (1280, 720, "h264")
    assert (streams.sample_rate, streams.channels, streams.audio_codec) == (48000, 2, "aac")
    assert clocked.recording.frames_per_second == pytest.approx(30, rel=0.01)


def test_the_window_is_as_large_as_the_picture(clocked: Clocked) -> None:
    told = clocked.run.report("size")
    assert (told["width"], told["height"], told["ratio"]) == (1280, 720, 1)
    assert told["visible"] == "visible"


def test_hardly_a_frame_comes_twice_or_never(clocked: Clocked) -> None:
    pace = web_pace.pace(clocked.recording, rate=30, since=STEADY_FROM)
    assert pace.frames > (SECONDS - STEADY_FROM) * 30 * 0.95
    assert pace.repeated_share <= 0.01, pace
    assert pace.skipped_share <= 0.01, pace
    assert pace.backwards == 0


def test_the_strip_can_be_read_throughout(clocked: Clocked) -> None:
    strip = strips(clocked.recording, people=STATES)[PAGE.identity]
    assert strip.readable > 0.98
    assert strip.longest_freeze < 0.4
    assert abs(strip.latency) < 1.0


def test_recording_begins_within_half_a_second_of_the_page_s_word(clocked: Clocked) -> None:
    asked = clocked.run.report("start")["wall"]
    first, _ = web_pace.first_and_last(clocked.recording)
    assert -0.1 < web_pace.since(first, asked) <= 0.5
    assert not clocked.recording.watch(STATES).people[WAITING.identity].seen.any()


def test_recording_ends_before_the_page_s_last_word(clocked: Clocked) -> None:
    asked = clocked.run.report("end")["wall"]
    _, last = web_pace.first_and_last(clocked.recording)
    assert -0.5 < web_pace.since(last, asked) <= 0.02
    assert not clocked.recording.watch(STATES).people[ENDED.identity].seen.any()


def test_sound_and_picture_are_together(clocked: Clocked) -> None:
    offsets = web_pace.sound_offsets(clocked.recording)
    assert len(offsets.each) >= SECONDS - 2
    assert abs(offsets.median) < 0.08, offsets
    # what a viewer may notice; a busy machine may show a few frames later than that
    assert sorted(abs(offsets.each))[int(len(offsets.each) * 0.8)] < 0.1, offsets


def test_the_page_is_heard_all_the_time(clocked: Clocked) -> None:
    heard = tones(clocked.recording, people=[PAGE])[PAGE.identity]
    assert sum(heard) >= len(heard) - 1


@dataclass(frozen=True)
class Gallery:
    """A recording of gallery.html, with or without WebGL, started by the script in examples/."""

    run: Run
    answer: dict[str, Any]
    recording: Recording
    picture: web_gallery.Picture
    pictures: list[web_gallery.Picture]
    """Of half a second each, later on."""


def recorded_gallery(gateway: Gateway, tasks: Tasks, folder: Path, *, web_gl: bool) -> Gallery:
    run = Run()
    environment = {**os.environ, "EGRESS_URL": gateway.url, "WEBGL": json.dumps(web_gl)}
    command = [str(ROOT / "examples" / "start-page.sh"), run.url("gallery.html")]
    started = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert started.returncode == 0, started.stdout + started.stderr
    task = json.loads(started.stdout)["task_id"]
    tasks.until_state(task, "PROCESSING", seconds=60)
    until("the first file", lambda: gateway.status(task).body["payload"]["files"], seconds=30)
    answer = gateway.status(task).body
    gateway.stop(task)
    tasks.until_state(task, "STOPPED", seconds=60)
    recording = PageTasks(tasks, {task: APP}).read(task, folder)
    pictures = []
    for place in range(6):
        path = folder / f"frame-{place}.png"
        recording.save_frame(path, at=1.0 + place * 0.4)
        pictures.append(web_gallery.load(path))
    return Gallery(run, answer, recording, pictures[-1], pictures)


@pytest.fixture(scope="module")
def galleries(
    gateway: Gateway, tasks: Tasks, tmp_path_factory: pytest.TempPathFactory
) -> dict[bool, Gallery]:
    return {
        web_gl: recorded_gallery(gateway, tasks, tmp_path_factory.mktemp("gallery"), web_gl=web_gl)
        for web_gl in (False, True)
    }


@pytest.mark.parametrize(("web_gl", "colour"), [(False, "red"), (True, "green")])
def test_webgl_is_there_when_it_was_asked_for(
    galleries: dict[bool, Gallery], *, web_gl: bool, colour: str
) -> None:
    gallery = galleries[web_gl]
    assert gallery.run.report("webgl")["there"] is web_gl
    assert web_gallery.colour(gallery.picture, web_gallery.WEBGL) == colour


@pytest.mark.parametrize("web_gl", [False, True])
def test_a_video_plays_by_itself_with_its_sound(galleries: dict[bool, Gallery], *, web_gl: bool) -> None:
    gallery = galleries[web_gl]
    assert gallery.run.report("playing")["muted"] is False
    seen = {web_gallery.colour(picture, web_gallery.VIDEO) for picture in gallery.pictures}
    assert seen >= {"red", "green", "blue"}
    levels = web_gallery.tone(gallery.recording, frequency=1000)
    assert levels.max() > 0.05, levels


@pytest.mark.parametrize("script", [name for name in web_gallery.LINES if name != "boxes"])
def test_every_script_has_its_letters(galleries: dict[bool, Gallery], script: str) -> None:
    picture = galleries[False].picture
    reference = web_gallery.reference()
    assert web_gallery.boxes_among(picture, script) == 0
    assert not web_gallery.all_alike(picture, script)
    assert web_gallery.likeness(picture, reference, script) > 0.9


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_long_and_wide_page_shows_no_scroll_bars(galleries: dict[bool, Gallery], side: str) -> None:
    gallery = galleries[False]
    assert web_gallery.edges(gallery.picture)[side] > 0.98
    told = gallery.run.report("size")
    assert told["inside"] == [told["width"], told["height"]] == [1280, 720]


def test_the_rest_answer_tells_of_the_page(galleries: dict[bool, Gallery]) -> None:
    for web_gl, gallery in galleries.items():
        payload = gallery.answer["payload"]
        assert (payload["layout"], payload["webGL"]) == ("freestyle", web_gl)
        assert payload["url"] == gallery.run.url("gallery.html")
        assert gallery.recording.problems() == []
