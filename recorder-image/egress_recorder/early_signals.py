"""Signals that arrive before the event loop runs: remembered, and handed to it. Standard library only."""

import signal
from typing import Final

ENDING: Final = (signal.SIGTERM, signal.SIGINT)

_heard: list[int] = []


def listen() -> None:
    """Remember the signals that ask for the end, from now on."""
    for number in ENDING:
        signal.signal(number, lambda heard, _frame: _heard.append(heard))


def heard() -> bool:
    """Say whether the end was asked for before anybody else listened."""
    return bool(_heard)
