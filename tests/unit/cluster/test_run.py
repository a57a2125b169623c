"""Programs are run with a deadline and a log, and a failure says where to read on."""

import time
from pathlib import Path

import pytest

from egress_cluster.errors import ClusterError, CommandFailed
from egress_cluster.run import run, step, succeeds, wait_until


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state != "Z"


def test_the_answer_is_what_the_program_says() -> None:
    assert run(["cat"], seconds=10, stdin="hello") == "hello"


def test_a_failure_names_command_code_end_and_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo early; echo broken pipe dream >&2; exit 3"], seconds=10, log=log)

    assert caught.value.code == 3
    sentence = str(caught.value)
    assert "ended with code 3" in sentence
    assert "| broken pipe dream" in sentence
    assert str(log) in sentence
    assert "early" in log.read_text()


def test_a_log_keeps_every_run_but_a_failure_shows_only_its_own(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    run(["echo", "first"], seconds=10, log=log)
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo second; exit 1"], seconds=10, log=log)
    assert "first" in log.read_text()
    assert "first" not in caught.value.tail


def test_a_missing_program_is_a_failure_like_any_other() -> None:
    with pytest.raises(CommandFailed, match="there is no program no-such-program"):
        run(["no-such-program"], seconds=10)
    assert not succeeds(["no-such-program"], seconds=10)


@pytest.mark.parametrize("logged", [True, False])
def test_out_of_time_the_whole_group_ends(tmp_path: Path, *, logged: bool) -> None:
    child = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {child}; wait"
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="ran out of its time"):
        run(["sh", "-c", script], seconds=1, log=tmp_path / "log" if logged else None)

    assert time.monotonic() - began < 10
    wait_until("the child's end", lambda: not _alive(int(child.read_text())), seconds=5)


def test_waiting_ends_with_the_deadline_and_says_for_what(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="the moon is blue: not so after 0 s"):
        wait_until("the moon is blue", lambda: False, seconds=0, log=tmp_path / "moon.log")


def test_a_step_says_what_begins_and_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with step("counting"):
        pass
    with pytest.raises(KeyError), step("searching"):
        raise KeyError
    said = capsys.readouterr().err
    assert "→ counting …" in said
    assert "✓ counting: 0." in said
    assert "✗ searching: failed after 0." in said
