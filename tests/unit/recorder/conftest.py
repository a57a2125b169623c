from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import s3_server
from support.recorder import RecorderProcess
from support.store_faults_server import Proxy


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Callable[..., RecorderProcess]]:
    made: list[RecorderProcess] = []

    def make(scenario: list[dict[str, Any]], **changes: Any) -> RecorderProcess:
        made.append(RecorderProcess(tmp_path, scenario, **changes))
        return made[-1]

    yield make
    for process in made:
        await process.kill()


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
