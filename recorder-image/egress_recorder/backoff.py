"""Pauses between tries: they double, up to a ceiling, with jitter so that many recorders don't beat as one."""

import random


def pause(tries: int, *, first: float = 0.25, ceiling: float = 15.0) -> float:
    """Return the seconds to wait after the `tries`-th failure (from 1): between half and all of the step."""
    step = min(ceiling, first * 2.0 ** min(tries - 1, 16))
    return random.uniform(step / 2, step)  # noqa: S311 - jitter, not a secret
