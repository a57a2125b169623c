import json
from pathlib import Path
from typing import Any

import pytest

from egress_recorder.capture.config import parse_config
from egress_recorder.capture.errors import ConfigError


def given(spool: Path, **more: Any) -> str:
    source = {
        "kind": "livekit",
        "url": "ws://x",
        "channel": "c",
        "token_file": "/t",
        "worker_uid": 42,
        "odd": 1,
    }
    return json.dumps({"spool": str(spool), "source": source, **more})


def test_the_config_is_read_and_what_is_unknown_is_ignored(tmp_path: Path) -> None:
    config = parse_config(given(tmp_path, users=["b", "a"], width=854, cpus=None, from_the_future=True))
    assert config.users == ("b", "a")
    assert config.width == 854
    assert config.source.worker_uid == 42
    assert config.segment_path(7) == tmp_path / "seg_000007.ts"


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"spool": "/tmp"}', '{"source": {}}', '{"spool": "/tmp", "source": 3}']
)
def test_what_is_no_config_is_refused_with_a_sentence(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^The capture config on stdin cannot be read: .+\.$"):
        parse_config(line)


def test_a_spool_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        parse_config(given(tmp_path / "nowhere"))


def test_a_layout_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'freestyle'"):
        parse_config(given(tmp_path, layout="freestyle"))
