"""What the recorder's and the gateway's tests share: a real S3 server and a bad way to it.

Hypothesis goes without its deadline of 200 ms: on a busy machine an example is late, and pytest's own timeout holds.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support import s3_server
from support.store_faults_server import Proxy

# The same examples each time, so that what a run says is of the code alone; EXPLORE=1 looks further.
settings.register_profile("unit", settings(), deadline=None, derandomize="EXPLORE" not in os.environ)
settings.load_profile("unit")


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[s3_server.S3Server]:
    with s3_server.serving(tmp_path) as server:
        yield server


@pytest.fixture
async def proxy(s3: s3_server.S3Server) -> AsyncIterator[Proxy]:
    """The way to `s3` on which things go wrong."""
    made = Proxy(("127.0.0.1", s3.port))
    await made.start()
    yield made
    await made.stop()
