"""What a recorder gets: by layout, by the size of its picture, and by what an administrator has set."""

from typing import Any

import pytest

from egress_api.media import Layout, Video
from egress_operator.pods import build_pod
from egress_operator.presets import BUILT_IN, Picture, Preset, resources_for
from egress_operator.settings import Settings
from support.operator_parts import SETTINGS, page_task, task

OWN = {"limits": {"cpu": "7"}}
FIXED = {"limits": {"cpu": "5"}}


def _preset(layout: Layout, width: int, height: int, frame_rate: int, cpu: str) -> Preset:
    up_to = Picture(width=width, height=height, frame_rate=frame_rate)
    return Preset(layout=layout, up_to=up_to, resources={"limits": {"cpu": cpu}})


PRESETS = [_preset(Layout.FLAT, 640, 360, 30, "1"), _preset(Layout.FLAT, 1280, 720, 30, "2")]


def _video(width: int, height: int, frame_rate: int = 30) -> Video:
    return Video(width=width, height=height, frame_rate=frame_rate)


@pytest.mark.parametrize(
    ("video", "cpu"),
    [
        (_video(640, 360), "1"),
        (_video(360, 640), "1"),
        (_video(16, 16, 1), "1"),
        (_video(640, 360, 31), "2"),
        (_video(1280, 720, 7), "1"),
        (_video(1280, 720), "2"),
        (_video(1280, 722), "5"),
        (_video(3840, 2160, 60), "5"),
    ],
    ids=lambda value: (
        f"{value.width}x{value.height}@{value.frame_rate}" if isinstance(value, Video) else value
    ),
)
def test_the_first_preset_that_fits_wins_then_what_is_fixed(video: Video, cpu: str) -> None:
    found = resources_for(Layout.FLAT, video, presets=PRESETS, fixed=FIXED)
    assert found["limits"]["cpu"] == cpu


def test_who_only_closes_the_lists_gets_the_smallest() -> None:
    large = task(video={"width": 3840, "height": 2160})
    pods = [build_pod(large, attempt=2, settings=SETTINGS, finish_only=only) for only in (False, True)]
    assert [pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] for pod in pods] == ["4", "250m"]


def test_a_preset_of_another_layout_does_not_fit() -> None:
    assert resources_for(Layout.FREESTYLE, _video(64, 64), presets=PRESETS, fixed=FIXED) == FIXED


def test_the_order_of_presets_is_the_administrators() -> None:
    large_first = list(reversed(PRESETS))
    assert (
        resources_for(Layout.FLAT, _video(64, 64), presets=large_first, fixed=FIXED)["limits"]["cpu"] == "2"
    )


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    "video", [_video(16, 16, 1), Video(), _video(3840, 2160, 60)], ids=["least", "default", "most"]
)
def test_everything_that_can_be_asked_for_has_a_built_in_preset(layout: Layout, video: Video) -> None:
    found = resources_for(layout, video, presets=[], fixed={})
    assert set(found) == {"requests", "limits"}
    assert set(found["requests"]) == set(found["limits"]) == {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("layout", Layout)
def test_the_built_in_presets_grow_with_the_picture_and_never_ask_for_more_than_their_limit(
    layout: Layout,
) -> None:
    presets = [preset for preset in BUILT_IN if preset.layout is layout]
    rates = [preset.up_to.pixel_rate for preset in presets]
    assert rates == sorted(set(rates))
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            sizes = [_amount(preset.resources[kind][resource]) for preset in presets]
            assert sizes == sorted(sizes)
    for preset in presets:
        requests, limits = preset.resources["requests"], preset.resources["limits"]
        assert all(_amount(requests[name]) <= _amount(limits[name]) for name in requests)


def _amount(quantity: str) -> float:
    units = {"m": 1e-3, "Mi": 2**20, "Gi": 2**30}
    unit = next((unit for unit in units if quantity.endswith(unit)), "")
    return float(quantity.removesuffix(unit)) * units.get(unit, 1)


def _settings(**recorder: Any) -> Settings:
    base = SETTINGS.model_dump()
    return Settings(**{**base, "recorder": {**base["recorder"], **recorder}})


@pytest.mark.parametrize(
    ("recorder", "channel", "page"),
    [
        ({"resources": OWN}, "7", "4"),
        ({"web": {"resources": OWN}}, "3", "7"),
        ({"presets": [PRESETS[0]], "resources": OWN}, "7", "4"),
        ({"presets": [_preset(Layout.FREESTYLE, 1920, 1080, 30, "9")]}, "3", "9"),
        ({}, "3", "4"),
    ],
)
def test_a_pod_gets_what_is_set_for_its_layout(recorder: dict[str, Any], channel: str, page: str) -> None:
    video = {"width": 1920, "height": 1080}
    limits = [
        build_pod(asked, attempt=1, settings=_settings(**recorder))["spec"]["containers"][0]["resources"][
            "limits"
        ]
        for asked in (task(video=video), page_task(video=video))
    ]
    assert [limit["cpu"] for limit in limits] == [channel, page]
