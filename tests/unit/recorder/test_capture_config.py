from dataclasses import asdict
from pathlib import Path

import pytest

from egress_recorder.capture_config import capture_config
from egress_recorder.errors import ConfigurationError
from support.recorder import recorder_config


def test_the_capture_is_told_what_to_record_and_no_secret() -> None:
    config = recorder_config(users=["anna"], worker_uid=42, video={"width": 640, "height": 360})
    told = asdict(capture_config(config, spool=Path("/spool/a"), stop_seconds=10.0))
    told.pop("encoder_preset")  # the child's own business
    assert told == {
        "spool": "/spool/a",
        "segment_pattern": "seg_%06d.ts",
        "segment_seconds": 4,
        "gop_seconds": 2.0,
        "width": 640,
        "height": 360,
        "frame_rate": 30,
        "video_kbps": 2000,
        "audio_kbps": 128,
        "sample_rate": 48000,
        "channels": 2,
        "layout": "flat",
        "frozen_picture": "black",
        "paused": False,
        "users": ("anna",),
        "regions": (),
        "join_timeout_seconds": 30,
        "cpus": None,
        "finish_timeout_seconds": 8.0,
        "source": {
            "kind": "livekit",
            "url": "ws://rtc.example:7880",
            "channel": "standup",
            "token_file": "/run/egress/token/access_token",
            "worker_uid": 42,
        },
        "page": None,
    }


PAGE = {"layout": "freestyle", "channel": None, "source": None, "url": "https://canvas.good.example/?a=b"}


def test_a_page_is_told_with_its_rules() -> None:
    config = recorder_config(
        **PAGE,
        web_gl=True,
        start={"when": "selector", "selector": "#go", "timeoutSeconds": 9, "onTimeout": "start"},
        page_rules={"allow": ["pages.media:8080"], "ports": [443]},
        require_sandbox=True,
    )
    told = asdict(capture_config(config, spool=Path("/spool/a"), stop_seconds=10.0))
    assert told["source"]["kind"] == "page"
    assert told["page"] == {
        "url": "https://canvas.good.example/?a=b",
        "web_gl": True,
        "start_when": "selector",
        "selector": "#go",
        "start_timeout_seconds": 9,
        "start_anyway": True,
        "goes_on": False,
        "rules": {"allow": ["pages.media:8080"], "deny": [], "ports": [443]},
        "require_sandbox": True,
    }


def test_a_page_that_was_recorded_before_is_not_waited_for_again() -> None:
    config = recorder_config(**PAGE, start={"when": "console", "timeoutSeconds": 300})
    page = capture_config(config, spool=Path("/spool/a"), stop_seconds=10.0, goes_on=True).page
    assert page is not None
    assert (page.start_when, page.start_anyway, page.goes_on) == ("load", True, True)
    assert page.start_timeout_seconds == 300, "its server is waited for as patiently as the first time"


@pytest.mark.parametrize("missing", [{"source": None}, {"channel": None}])
def test_nothing_to_capture_is_an_error(missing: dict[str, None]) -> None:
    with pytest.raises(ConfigurationError, match="without a source and a channel"):
        capture_config(recorder_config(**missing), spool=Path("/spool"), stop_seconds=10.0)


@pytest.mark.parametrize("seconds", range(1, 31))
def test_a_segment_is_whole_groups_of_pictures_long(seconds: int) -> None:
    told = capture_config(recorder_config(segment_seconds=seconds), spool=Path("/spool"), stop_seconds=10.0)
    assert told.segment_seconds % told.gop_seconds == 0
