"""The stores that recordings lie in, as the gateway sees them: one for all apps, or one of an app's own.

In: settings, the operator's in the same words. Out: obstore's client of a store, to read or to sign with; a new one when
the keys in its folder have changed. Must not: write.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from obstore.store import from_url
from pydantic import Field

from egress_api.base import Strict
from egress_api.constants import STORE_CREDENTIALS_DIR
from egress_api.credentials import read_credentials, state_of
from egress_api.folder import FolderTemplate, task_folder
from egress_api.recorder import StoreConfig

_CONNECT_TIMEOUT: Final = "2s"
_RETRY: Final = {"max_retries": 1, "retry_timeout": timedelta(seconds=2)}


class StorePlace(Strict):
    """One store."""

    url: str = Field(
        "",
        pattern=r"^$|^(s3|gs|az|file)://\S+$",
        description="Bucket (and prefix) of all recordings; empty: this is off.",
    )
    folder: FolderTemplate = Field(
        "{app_id}/{task_id}", description="Folder of a task below it, as the operator has it."
    )
    options: dict[str, str] = Field(
        default_factory=dict, description="Options of the store that are no secret, as the operator has them."
    )
    credentials_dir: Path = Field(
        Path(STORE_CREDENTIALS_DIR),
        description="A file per secret option, as a Secret is mounted; to read and list is enough. A change is taken "
        "without a restart.",
    )


class StoreSettings(StorePlace):
    """The stores of all apps."""

    region: str = Field("", max_length=64, description="What `{region}` stands for in the folder.")
    apps: dict[str, StorePlace] = Field(
        default_factory=dict,
        description="Stores by app id, wholly in this one's place: `{url, folder, options, credentialsDir}`.",
    )

    def of(self, app_id: str) -> StorePlace:
        """Return the store of an app."""
        return self.apps.get(app_id, self)

    def folder_of(self, *, app_id: str, task_id: str, namespace: str, region: str | None = None) -> str:
        """Return a task's folder below the URL of its app's store; `region` is the task's own, if it has one."""
        return task_folder(
            self.of(app_id).folder,
            app_id=app_id,
            task_id=task_id,
            region=region or self.region,
            namespace=namespace,
        )


class OpenedStore:
    """A client of one store.

    Args:
        place: where it is.
        seconds: for one request.
    """

    def __init__(self, place: StorePlace, *, seconds: float) -> None:
        self._config = StoreConfig(url=place.url, options=place.options)
        self._credentials_dir = place.credentials_dir
        self._seconds = seconds
        self._opened: tuple[object, Any] | None = None
        self.url = place.url.rstrip("/")

    def client(self) -> Any:
        """Return it, with the keys that are there now.

        Raises:
            OSError, ValueError, obstore.exceptions.BaseError: the options make no store.
        """
        state = state_of(self._credentials_dir)
        if self._opened is None or self._opened[0] != state:
            self._opened = (state, self._open())
        return self._opened[1]

    def _open(self) -> Any:
        if self._config.url.startswith("file:"):
            return from_url(self._config.url)
        options, client = self._config.options_with(read_credentials(self._credentials_dir))
        limits = {"connect_timeout": _CONNECT_TIMEOUT, "timeout": f"{self._seconds:g}s"}
        return from_url(
            self._config.url,
            config=cast("Any", options),
            client_options=cast("Any", {**client, **limits}),
            retry_config=cast("Any", _RETRY),
        )


class OpenedStores:
    """The clients of all apps' stores, each opened once."""

    def __init__(self, settings: StoreSettings, *, seconds: float) -> None:
        self._default = OpenedStore(settings, seconds=seconds)
        self._apps = {app: OpenedStore(place, seconds=seconds) for app, place in settings.apps.items()}

    def of(self, app_id: str) -> OpenedStore:
        """Return the store of an app."""
        return self._apps.get(app_id, self._default)
