"""Whether to leave out what comes now: the wish, as the Pod's control volume holds it.

In: the folder that the kubelet keeps in step with the Pod's annotations. Out: yes or no, at any moment. What is
done about it is the capture's business, what it means for the recording the book's.
"""

from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from egress_api.constants import PAUSE_FILE

_WORDS: Final = {"true": True, "false": False, "": False}


class PauseWish:
    """The file `pause`, read anew each time.

    Args:
        folder: None where nobody can ask for a pause.
    """

    def __init__(self, folder: str | None, *, log: FilteringBoundLogger) -> None:
        self._path = Path(folder) / PAUSE_FILE if folder else None
        self._log = log
        self._last = False
        self._warned = False

    def read(self) -> bool:
        """Return whether to pause; as before where the file can't be read or says something else."""
        if self._path is None:
            return False
        try:
            self._last = _WORDS[self._path.read_text().strip().lower()]
        except FileNotFoundError:
            self._last = False
        except (OSError, UnicodeDecodeError, KeyError) as error:
            if not self._warned:
                self._log.warning("pause-unreadable", path=str(self._path), error=repr(error))
            self._warned = True
        else:
            self._warned = False
        return self._last
