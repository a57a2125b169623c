"""A real Azure Blob Storage for a test: Azurite, Microsoft's emulator, in memory, on a free port of this machine.

In: a folder for its log. Out: its port, and containers made on demand. It is fetched once with npm, into the cache,
as the lock file beside it pins it; its start takes seconds, so the tests of a process share one.
"""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from egress_cluster.run import only_one
from egress_cluster.settings import Settings

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the emulator's one account: everybody's, as its documentation has it."""
PINNED = Path(__file__).with_name("azurite")
NPM_SECONDS = 600
START_SECONDS = 60
_API_VERSION = "2021-08-06"


class AzuriteError(RuntimeError):
    """There is no emulator, and the sentence says what to do."""


def program(settings: Settings) -> Path:
    """Say where the emulator's program is, or will be once it is installed."""
    lock = PINNED.joinpath("package-lock.json").read_bytes()
    folder = settings.cache / "azurite" / hashlib.sha256(lock).hexdigest()[:16]
    return folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def install() -> Path:
    """Have the emulator in the cache, and give its program."""
    settings = Settings.from_environment(os.environ)
    target = program(settings)
    folder = target.parents[5]
    if target.exists():
        return target
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise AzuriteError(
            "Azurite is fetched with npm, and there is none: install npm (apt-get install npm)"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        only_one(settings.cache / "azurite.lock", what="npm"),
        tempfile.TemporaryDirectory(dir=folder.parent) as fresh,
    ):
        if target.exists():
            return target
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / name, fresh)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund"],
            capture_output=True, text=True, check=False, timeout=NPM_SECONDS, cwd=fresh,
        )  # fmt: skip
        if done.returncode:
            raise AzuriteError(f"npm could not install Azurite: {done.stderr[-1000:]}")
        # under its own name only when it is whole
        made = Path(fresh) / "whole"
        made.mkdir()
        Path(fresh, "node_modules").rename(made / "node_modules")
        made.rename(folder)
    return target


class AzuriteServer:
    """One emulator; `start` it."""

    def __init__(self, folder: Path) -> None:
        self._program = program(Settings.from_environment(os.environ))
        if not self._program.exists():
            raise AzuriteError("no Azurite: run `make tools` first")
        self._folder = folder
        self._log = folder / "azurite.log"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [
            *("node", str(self._program), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def make_container(self, name: str) -> None:
        """Make a container, which obstore can't."""
        date = email.utils.formatdate(usegmt=True)
        headers = "\n" * 12  # of those that a signature covers, none is sent
        text = (
            f"PUT{headers}x-ms-date:{date}\nx-ms-version:{_API_VERSION}\n"
            f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        )
        digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}?restype=container",
            method="PUT",
            headers={
                "x-ms-date": date,
                "x-ms-version": _API_VERSION,
                "Content-Length": "0",
                "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 201

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()  # it wants a signature: it is there
            return True
        except OSError:
            return False
        return True


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[AzuriteServer]:
    """Run an emulator for as long as the block lasts."""
    server = AzuriteServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def options_for(port: int, **more: str) -> dict[str, str]:
    """Return the options with which the recorder finds an emulator, or what stands before it."""
    return {
        "account_name": ACCOUNT,
        "endpoint": f"http://127.0.0.1:{port}/{ACCOUNT}",
        "allow_http": "true",
        **more,
    }


if __name__ == "__main__":
    print(install())  # noqa: T201 - the answer: `make tools` installs it before a test needs it
