"""Runs programs with a deadline and a log, and tells the person what is going on meanwhile.

In: commands as lists. Out: their standard output, or `CommandFailed` with the log to read.
Secrets never travel as arguments: logs hold every command line.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ClusterError, CommandFailed

PROGRESS_SECONDS = 15


def say(text: str) -> None:
    """Print one line for the person, at once: `up` is often piped into a log."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def step(title: str, *, log: Path | None = None, progress: bool = True) -> Iterator[None]:
    """Say what begins, that it still goes on (with the log's last line), and how long it took.

    A step made of other steps leaves the progress to these.
    """
    began = time.monotonic()
    over = threading.Event()
    where = f" (log: {log})" if log else ""
    say(f"→ {title} …{where}")

    def tick() -> None:
        while progress and not over.wait(PROGRESS_SECONDS):
            say(f"  … {title}: {time.monotonic() - began:.0f} s{_last_line(log)}")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        say(f"✗ {title}: failed after {time.monotonic() - began:.1f} s")
        raise
    finally:
        over.set()
        ticker.join()
    say(f"✓ {title}: {time.monotonic() - began:.1f} s")


def _last_line(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 400))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return f" | {lines[-1][:100]}" if lines else ""


def run(
    command: list[str],
    *,
    seconds: float,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command to its end and give its standard output.

    With `log`, both streams go to the end of that file and the answer is empty. The whole process group is
    ended when the time is up or the person interrupts.

    Raises:
        CommandFailed: the code is not 0, the time is up, or there is no such program.

    """
    try:
        if log is None:
            return _captured(command, seconds=seconds, env=env, cwd=cwd, stdin=stdin)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"\n$ {' '.join(command)}\n".encode())
            file.flush()
            start = file.tell()
            process = subprocess.Popen(
                command, stdout=file, stderr=file, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                env=env, cwd=cwd, start_new_session=True,
            )  # fmt: skip
            code = _finish(process, seconds=seconds, stdin=stdin)
    except FileNotFoundError as problem:
        raise CommandFailed(
            command, code=127, tail=f"there is no program {problem.filename}", log=log
        ) from None
    if code != 0:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - 4000))
            raise CommandFailed(command, code=code, tail=file.read().decode(errors="replace"), log=log)
    return ""


def _captured(
    command: list[str], *, seconds: float, env: Mapping[str, str] | None, cwd: Path | None, stdin: str | None
) -> str:
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        env=env,
        cwd=cwd,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(input=stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_group(process)
            raise CommandFailed(command, code=None, tail=f"no end after {seconds:.0f} s") from None
        except BaseException:
            _end_group(process)
            raise
    if process.returncode != 0:
        raise CommandFailed(command, code=process.returncode, tail=err or out)
    return out


def _finish(process: subprocess.Popen[bytes], *, seconds: float, stdin: str | None) -> int | None:
    try:
        process.communicate(input=stdin.encode() if stdin else None, timeout=seconds)
    except subprocess.TimeoutExpired:
        _end_group(process)
        return None
    except BaseException:
        _end_group(process)
        raise
    return process.returncode


def _end_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def succeeds(command: list[str], *, seconds: float, env: Mapping[str, str] | None = None) -> bool:
    """Tell whether a command ends with code 0 in its time."""
    try:
        run(command, seconds=seconds, env=env)
    except CommandFailed:
        return False
    return True


def wait_until(what: str, test: Callable[[], bool], *, seconds: float, log: Path | None = None) -> None:
    """Ask again and again until the test holds.

    Raises:
        ClusterError: the time is up.

    """
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not so after {seconds:.0f} s", log=log)
        time.sleep(0.25)


@contextmanager
def only_one(lock: Path, *, what: str) -> Iterator[None]:
    """Let one run at a time do this; the lock goes with the process, so a killed run leaves none."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for another run: {what}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
