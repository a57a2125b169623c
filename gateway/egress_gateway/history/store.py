"""The store, to read manifests from: a name in, the manifest without its segments out.

Only the first bytes of an object are asked for: however long a recording was, what is told of it stands there. Keys
that change while it runs are taken from then on. Must not: write; wait longer than the caller does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import obstore
from obstore import exceptions

from egress_api import store_answers
from egress_api.manifest import Manifest
from egress_gateway.errors import StoreError
from egress_gateway.history.settings import HistorySettings
from egress_gateway.stores import OpenedStore, OpenedStores

MOST_BYTES: Final = 1 << 20
"""Of a manifest before its segments: some thousands of gaps."""


@dataclass(frozen=True)
class Kept:
    """A manifest in the store."""

    manifest: Manifest | None
    """None where it is none that this version reads."""
    modified: datetime


class HistoryStore:
    """All recordings, to read."""

    def __init__(self, settings: HistorySettings) -> None:
        self._stores = OpenedStores(settings, seconds=settings.timeout_seconds)

    async def manifest(self, path: str, *, app_id: str) -> Kept | None:
        """Return the manifest at a path below the URL of an app's store; None where there is no such object.

        Raises:
            StoreError: when the store can't be asked, or refuses.
        """
        store = self._stores.of(app_id)
        try:
            found = await obstore.get_async(store.client(), path, options={"range": (0, MOST_BYTES)})
            head = bytes(await found.bytes_async())
        except FileNotFoundError as error:
            if store_answers.says_no_such_object(error):
                return None
            raise _error_of(error, path, store) from None
        except (exceptions.BaseError, OSError, ValueError, TypeError) as error:
            # As a volume that was full may have left one.
            if store_answers.says_empty(error):
                return Kept(None, datetime.now(UTC))
            raise _error_of(error, path, store) from None
        except BaseException as error:
            # pyo3 raises a panic of the Rust below as no Exception.
            if type(error).__name__ != "PanicException":
                raise
            raise StoreError(f"The client of {store.url} failed to read {path}.") from None
        return Kept(Manifest.from_head(head), found.meta["last_modified"])


def _error_of(error: Exception, path: str, store: OpenedStore) -> StoreError:
    refused, sentence = store_answers.meaning(error, place=f"The store {store.url}", verb="read", name=path)
    return StoreError(sentence, refused=refused)
