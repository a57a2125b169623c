"""What is wished of a recorder while it runs, as the files of the Pod's control volume say.

In: the folder that the kubelet keeps in step with the Pod's annotations. Out: yes or no, or a list, at any moment. Whether to
leave out what comes now (`pause`) is the capture's business and the book's; whether to end (`stop`) goes into the
`StopSignal`; whom to record (`users`, a list) and how to lay them out (`layout`) are the capture's.
"""

import contextlib
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from egress_api.constants import LAYOUT_FILE, USERS_FILE
from egress_api.media import Layout
from egress_recorder.stop_signal import StopSignal

_WORDS: Final = {"true": True, "false": False, "": False}
_TICK_SECONDS: Final = 0.25


class Wish:
    """One file, read anew each time.

    Args:
        folder: None where nobody can wish for anything.
        file: its name in there.
    """

    def __init__(self, folder: str | None, file: str, *, log: FilteringBoundLogger) -> None:
        self._path = Path(folder) / file if folder else None
        self._log = log
        self._last = False
        self._warned = False

    def read(self) -> bool:
        """Return whether it is wished; as before where the file can't be read or says something else."""
        if self._path is None:
            return False
        try:
            self._last = _WORDS[self._path.read_text().strip().lower()]
        except FileNotFoundError:
            self._last = False
        except (OSError, UnicodeDecodeError, KeyError) as error:
            if not self._warned:
                self._log.warning("wish-unreadable", path=str(self._path), error=repr(error))
            self._warned = True
        else:
            self._warned = False
        return self._last


class Users:
    """Whom to record, read anew each time.

    Args:
        folder: None where nobody can choose.
        begin: what holds until the file says something.
    """

    def __init__(self, folder: str | None, *, begin: tuple[str, ...]) -> None:
        self._path = Path(folder) / USERS_FILE if folder else None
        self._last = begin

    def read(self) -> tuple[str, ...]:
        """Return whom to record, empty for everyone (EVERYONE in the file); as before where the file says nothing."""
        if self._path is not None:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                # An annotation that something has taken away leaves an empty file: no reason to record everyone.
                if said := self._path.read_text().strip():
                    self._last = tuple(user for user in said.split(",") if user)
        return self._last


class Arrangement:
    """How a channel is laid out, read anew each time.

    Args:
        folder: None where nobody can choose.
        begin: what holds until the file says something.
    """

    def __init__(self, folder: str | None, *, begin: Layout) -> None:
        self._path = Path(folder) / LAYOUT_FILE if folder else None
        self._last = begin

    def read(self) -> Layout:
        """Return how to lay it out; as before where the file says nothing that a channel can have."""
        if self._path is not None:
            with contextlib.suppress(
                OSError, ValueError
            ):  # also what is no text, and no layout that is known here
                said = Layout(self._path.read_text().strip())
                self._last = said if said.of_channel else self._last
        return self._last


async def heed_stop(wish: Wish, stop: StopSignal, *, log: FilteringBoundLogger) -> None:
    """Pass on the wish to end, once it is there: a recording ends once."""
    while not stop.asked:
        if wish.read():
            log.info("told-to-stop")
            stop.tell()
        await stop.wait(seconds=_TICK_SECONDS)
