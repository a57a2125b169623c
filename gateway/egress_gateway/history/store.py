"""The store, to read manifests from: a name in, the manifest without its segments out.

Only the first bytes of an object are asked for: however long a recording was, what is told of it stands there. Keys
that change while it runs are taken from then on. Must not: write; wait longer than the caller does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import obstore
from obstore import exceptions
from obstore.store import from_url

from egress_api import store_answers
from egress_api.credentials import read_credentials, state_of
from egress_api.manifest import Manifest
from egress_api.recorder import StoreConfig
from egress_gateway.errors import StoreError
from egress_gateway.history.settings import HistorySettings

MOST_BYTES: Final = 1 << 20
"""Of a manifest before its segments: some thousands of gaps."""
_EMPTY: Final = "Requested range was invalid"
"""What obstore says of a file without content, as a volume that was full may have left one."""
_CONNECT_TIMEOUT: Final = "2s"
_RETRY: Final = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}


@dataclass(frozen=True)
class Kept:
    """A manifest in the store."""

    manifest: Manifest | None
    """None where it is none that this version reads."""
    modified: datetime


class HistoryStore:
    """All recordings, to read."""

    def __init__(self, settings: HistorySettings) -> None:
        self._config = StoreConfig(url=settings.url, options=settings.options)
        self._timeout = settings.timeout_seconds
        self._credentials_dir = settings.credentials_dir
        self._opened: tuple[object, Any] | None = None

    async def manifest(self, path: str) -> Kept | None:
        """Return the manifest at a path below the store's URL; None where there is no such object.

        Raises:
            StoreError: when the store can't be asked, or refuses.
        """
        try:
            found = await obstore.get_async(self._store(), path, options={"range": (0, MOST_BYTES)})
            head = bytes(await found.bytes_async())
        except FileNotFoundError as error:
            if store_answers.says_no_such_object(error):
                return None
            raise self._error_of(error, path) from None
        except (exceptions.BaseError, OSError, ValueError, TypeError) as error:
            if _EMPTY in str(error):
                return Kept(None, datetime.now(UTC))
            raise self._error_of(error, path) from None
        except BaseException as error:
            # pyo3 raises a panic of the Rust below as no Exception.
            if type(error).__name__ != "PanicException":
                raise
            raise StoreError(f"The client of {self._config.url} failed to read {path}.") from None
        return Kept(Manifest.from_head(head), found.meta["last_modified"])

    def _store(self) -> Any:
        state = state_of(self._credentials_dir)
        if self._opened is None or self._opened[0] != state:
            self._opened = (state, self._open())
        return self._opened[1]

    def _open(self) -> Any:
        if self._config.url.startswith("file:"):
            return from_url(self._config.url)
        options, client = self._config.options_with(read_credentials(self._credentials_dir))
        limits = {"connect_timeout": _CONNECT_TIMEOUT, "timeout": f"{self._timeout:g}s"}
        return from_url(
            self._config.url,
            config=cast("Any", options),
            client_options=cast("Any", {**client, **limits}),
            retry_config=cast("Any", _RETRY),
        )

    def _error_of(self, error: Exception, path: str) -> StoreError:
        place = f"The store {self._config.url}"
        refused, sentence = store_answers.meaning(error, place=place, verb="read", name=path)
        return StoreError(sentence, refused=refused)
