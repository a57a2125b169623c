"""hls.js plays recordings to their end: a plain one, and one whose capture died and that was paused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.e2e import APP, Gateway, Tasks, until
from support.playback import Browser, player
from support.recording import Recording
from support.store import fetch_task
from support.web_tasks import PageTasks, Victim

CAPTURE = Victim("the capture", has="egress_recorder.capture")
SMALL = {
    "video": {"width": 640, "height": 360, "frameRate": 15, "bitrate": 500},
}

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with player() as there:
        yield there


def discontinuities(result: Recording) -> int:
    return sum(entry.discontinuity for entry in result.playlist.entries)


def pause(tasks: Tasks, task: str, *, paused: bool) -> None:
    patch = f'{{"spec":{{"pause":{str(paused).lower()}}}}}'
    tasks.kubectl.run("patch", "egresstask", task, "--type=merge", "--patch", patch)


def test_hls_js_plays_a_plain_recording_and_one_with_gaps_to_their_ends(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], browser: Browser, tmp_path: Path
) -> None:
    plain, broken = recording(**SMALL), recording(**SMALL)
    made = PageTasks(tasks, {plain: APP, broken: APP})
    made.goes_on(broken)
    made.kill(broken, CAPTURE)
    made.goes_on(broken, segments=2)  # one is what the dead capture had open
    gateway.stop(plain)
    pause(tasks, broken, paused=True)
    until("it pauses", lambda: tasks.get(broken)["status"]["reason"] == "Paused", seconds=20)
    pause(tasks, broken, paused=False)
    made.goes_on(broken)
    gateway.stop(broken)
    for task, breaks in ((plain, 0), (broken, 2)):
        tasks.until_state(task, "STOPPED", seconds=90)
        result = fetch_task(task, tmp_path / task)
        assert result.problems() == []
        assert discontinuities(result) == breaks
        played = browser.play(result.folder, result.playlist_path.name)
        assert played.problems(result.playlist.seconds, discontinuities=breaks) == []
        assert (played.width, played.height) == (640, 360)
