from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.recorder import RecorderProcess


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Callable[..., RecorderProcess]]:
    made: list[RecorderProcess] = []

    def make(scenario: list[dict[str, Any]], **changes: Any) -> RecorderProcess:
        made.append(RecorderProcess(tmp_path, scenario, **changes))
        return made[-1]

    yield make
    for process in made:
        await process.kill()
