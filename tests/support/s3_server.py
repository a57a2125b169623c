"""A real S3 server for a test: versitygw on a folder, on a free port of this machine.

In: a folder for its data, and keys. Out: its address, and the folder of its one bucket, to look into. It can be
stopped and started again on the same port, also with other keys.
"""

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egress_cluster import gobuild
from egress_cluster.settings import Settings

BUCKET = "recordings"
KEYS = ("AKTEST", "secret-of-the-test")


class S3Server:
    """One server; `start` it."""

    def __init__(self, folder: Path, *, options: tuple[str, ...] = ()) -> None:
        self._program = gobuild.built(gobuild.VERSITYGW, Settings.from_environment(os.environ))
        self._options = options
        self._log = folder / "s3.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.data = folder / "s3"
        self.bucket = self.data / BUCKET
        self.bucket.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]

    def start(self, *, keys: tuple[str, str] = KEYS) -> None:
        """Start it, and return when it answers."""
        environment = os.environ | {"ROOT_ACCESS_KEY": keys[0], "ROOT_SECRET_KEY": keys[1]}
        command = [
            *(str(self._program), "--port", f"127.0.0.1:{self.port}", "--health", "/health", "--quiet"),
            *("posix", *self._options, str(self.data)),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self._healthy():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


@contextlib.contextmanager
def serving(folder: Path, *, options: tuple[str, ...] = ()) -> Iterator[S3Server]:
    """Run a server for as long as the block lasts."""
    if not gobuild.built(gobuild.VERSITYGW, Settings.from_environment(os.environ)).exists():
        raise FileNotFoundError("no versitygw: run `python -m egress_cluster build-tools versitygw` first")
    server = S3Server(folder, options=options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def options_for(port: int, **more: str) -> dict[str, Any]:
    """Return the options with which the recorder finds a server, or what stands before it."""
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "allow_http": "true",
        "virtual_hosted_style_request": "false",
        **more,
    }


def write_keys(folder: Path, keys: tuple[str, str] = KEYS) -> None:
    """Write the credentials as the kubelet does: a new folder, and a link that is moved to it in one step."""
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir(parents=True)
    names = ("aws_access_key_id", "aws_secret_access_key")
    for name, value in zip(names, keys, strict=True):
        version.joinpath(name).write_text(value)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.rename(folder / "..data")
    for name in names:
        if not folder.joinpath(name).is_symlink():
            folder.joinpath(name).symlink_to(f"..data/{name}")
