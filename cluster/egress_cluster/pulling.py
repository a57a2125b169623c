"""Pulls images where that is possible, and remembers where it is not, so that later runs need not try again.

In: an image's name. Out: whether the engine has it now. A failure is remembered in the cache for a week.
"""

import hashlib
import time

from .engine import Engine
from .errors import CommandFailed
from .run import say, step
from .settings import Settings


def present(image: str, *, engine: Engine, settings: Settings) -> bool:
    """Tell whether the engine has an image."""
    try:
        engine.docker("image", "inspect", image, settings=settings, seconds=30)
    except CommandFailed:
        return False
    return True


def pulled(image: str, *, engine: Engine, settings: Settings) -> bool:
    """Have an image in the engine if it is there or can be pulled; ask the registry briefly, and seldom."""
    if present(image, engine=engine, settings=settings):
        return True
    stamp = settings.stamps / f"no-pull-{hashlib.sha256(image.encode()).hexdigest()[:16]}"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < settings.pull_again_seconds:
        return False
    log = settings.logs / "pull.log"
    try:
        engine.docker("manifest", "inspect", image, settings=settings, seconds=settings.pull_seconds)
        with step(f"pulling {image}", log=log):
            engine.docker("pull", image, settings=settings, seconds=1800, log=log)
    except CommandFailed as problem:
        say(f"  {image} cannot be pulled here ({_reason(problem)}): it is built instead")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(f"{image}\n{problem.tail}\n")
        return False
    return True


def _reason(problem: CommandFailed) -> str:
    lines = problem.tail.strip().splitlines()
    return lines[-1][:120] if lines else "no answer"
