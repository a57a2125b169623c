"""What the recorder's and the gateway's tests share: real stores and a bad way to them.

Hypothesis goes without its deadline of 200 ms: on a busy machine an example is late, and pytest's own timeout holds.
"""

import gc
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support import accepting, azurite_server, gcs_double, s3_server
from support.store_backends import AzureBackend, Backend, GcsBackend, S3Backend
from support.store_faults_server import Proxy

# The same examples each time, so that what a run says is of the code alone; EXPLORE=1 looks further.
settings.register_profile("unit", settings(), deadline=None, derandomize="EXPLORE" not in os.environ)
settings.load_profile("unit")


def pytest_collection_finish() -> None:
    """Set what is imported by now aside, so that looking for rubbish after each test costs a millisecond or two."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _rubbish_is_found_where_it_was_left() -> Iterator[None]:
    """Let a connection that a test leaves open fail that test, and not whichever one the collector runs in."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _late_connections() -> Iterator[None]:
    with accepting.late_ones_are_closed():
        yield


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[s3_server.S3Server]:
    with s3_server.serving(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite_server.AzuriteServer]:
    with azurite_server.serving(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def gcs() -> Iterator[gcs_double.GcsDouble]:
    with gcs_double.serving() as double:
        yield double


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    """A store of the kind that the test says; S3 where it says none."""
    name = f"test-{uuid.uuid4().hex}"
    match getattr(request, "param", "s3"):
        case "az":
            return AzureBackend(request.getfixturevalue("azurite"), container=name)
        case "gs":
            return GcsBackend(request.getfixturevalue("gcs"), bucket=name)
        case _:
            return S3Backend(request.getfixturevalue("s3"))


@pytest.fixture
async def proxy(backend: Backend) -> AsyncIterator[Proxy]:
    """The way to the store on which things go wrong."""
    made = Proxy(("127.0.0.1", backend.port))
    await made.start()
    yield made
    await made.stop()
