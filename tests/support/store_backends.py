"""The object stores that the recorder is tested against, with one way to ask each: S3, Azure and Google's.

In: a running server. Out: what a recorder is told to find it (URL, options, credentials), and what is in it then. A
test that takes the fixture `backend` says with `@pytest.mark.parametrize("backend", KINDS, indirect=True)` which.
"""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.store import from_url

from egress_api.recorder import StoreConfig
from support import azurite_server, gcs_double, s3_server
from support.azurite_server import AzuriteServer
from support.gcs_double import GcsDouble
from support.s3_server import S3Server

KINDS = ("s3", "az", "gs")
SIGNED = ("s3", "az")
"""The ones that look at signatures."""
FOLDER = "t1"


class Backend(Protocol):
    """One bucket of one server; recorders write to its folder `t1`."""

    port: int
    says_md5: bool
    """Whether its ETags are the MD5 of the content."""
    secret_option: str
    """The option, and with it the file of the Secret, that is the key."""

    def config(self, port: int, **more: str) -> StoreConfig:
        """Return what a recorder is told, to find the server or what stands before it."""

    def write_credentials(self, folder: Path, port: int | None = None) -> None:
        """Write the Secret's files; with Google's, the place to ask stands in them."""

    def read(self, name: str) -> bytes:
        """Return an object's content, empty where there is none."""

    def fetch(self, folder: Path) -> Path:
        """Return a folder with everything that is there now."""


class S3Backend:
    """versitygw, whose objects are files."""

    says_md5 = True
    secret_option = "aws_secret_access_key"

    def __init__(self, server: S3Server) -> None:
        self._folder = server.bucket / FOLDER
        self.port = server.port

    def config(self, port: int, **more: str) -> StoreConfig:
        return StoreConfig(
            url=f"s3://{s3_server.BUCKET}/{FOLDER}/", options=s3_server.options_for(port, **more)
        )

    def write_credentials(self, folder: Path, port: int | None = None) -> None:
        del port
        s3_server.write_keys(folder)

    def read(self, name: str) -> bytes:
        path = self._folder / name
        return path.read_bytes() if path.exists() else b""

    def fetch(self, folder: Path) -> Path:
        return Path(shutil.copytree(self._folder, folder / "fetched"))


class AzureBackend:
    """Azurite; each has a container of its own in the one emulator."""

    says_md5 = False
    secret_option = "account_key"

    def __init__(self, server: AzuriteServer, *, container: str) -> None:
        server.make_container(container)
        self._container = container
        self.port = server.port
        self._store = self._open()

    def config(self, port: int, **more: str) -> StoreConfig:
        options = azurite_server.options_for(port, **more)
        return StoreConfig(url=f"az://{self._container}/{FOLDER}/", options=options)

    def write_credentials(self, folder: Path, port: int | None = None) -> None:
        del port
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("account_key").write_text(azurite_server.KEY)

    def read(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError:
            return b""

    def fetch(self, folder: Path) -> Path:
        fetched = folder / "fetched"
        fetched.mkdir()
        for meta in obstore.list(self._store).collect():
            fetched.joinpath(meta["path"]).write_bytes(self.read(meta["path"]))
        return fetched

    def _open(self) -> Any:
        config = self.config(self.port)
        options, client = config.options_with({"account_key": azurite_server.KEY})
        retry: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
        return from_url(config.url, config=options, client_options=client, retry_config=retry)  # type: ignore[call-overload]


class GcsBackend:
    """The stand-in for Google's, with a bucket of its own."""

    says_md5 = True
    secret_option = "google_service_account_key"

    def __init__(self, double: GcsDouble, *, bucket: str) -> None:
        self._bucket = bucket
        self._double = double
        self._objects = double.buckets.setdefault(bucket, {})
        self.port = double.port

    def config(self, port: int, **more: str) -> StoreConfig:
        del port
        return StoreConfig(url=f"gs://{self._bucket}/{FOLDER}/", options={"allow_http": "true", **more})

    def write_credentials(self, folder: Path, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("google_service_account_key").write_text(gcs_double.account(port or self.port))

    def read(self, name: str) -> bytes:
        found = self._objects.get(f"{FOLDER}/{name}")
        return found.content if found else b""

    def fetch(self, folder: Path) -> Path:
        fetched = folder / "fetched"
        fetched.mkdir()
        for name, found in self._objects.items():
            fetched.joinpath(name.removeprefix(f"{FOLDER}/")).write_bytes(found.content)
        return fetched
