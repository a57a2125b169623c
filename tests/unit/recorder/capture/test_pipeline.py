import re
from dataclasses import replace

from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.capture.pipeline import (
    audio_branch,
    audio_caps,
    encoder_delay,
    output_pipeline,
    video_branch,
)

CONFIG = CaptureConfig(spool="/spool", source=SourceConfig())


def output(**changes: object) -> str:
    return re.sub(r"\s+", " ", output_pipeline(replace(CONFIG, **changes), threads=2))  # type: ignore[arg-type]


def test_the_gop_divides_the_segment_and_scene_cuts_do_not_move_it() -> None:
    text = output(frame_rate=25, segment_seconds=6.0)
    assert "key-int-max=50" in text
    assert "max-size-time=6000000000" in text
    assert "scenecut=0" in text


def test_threads_are_set_everywhere_and_never_left_to_the_visible_cores() -> None:
    assert "max-threads=2" in output()
    assert " threads=2" in output()


def test_all_pictures_carry_one_colour_label() -> None:
    for caps in re.findall(r"video/x-raw[^ ]*", output()):
        assert "colorimetry=bt601,chroma-site=mpeg2" in caps


def test_the_sound_is_never_resampled() -> None:
    assert output(sample_rate=44100, channels=1).count("rate=44100,channels=1") == 2
    assert audio_caps(CONFIG) in audio_branch(CONFIG)
    assert "audioresample" not in output()


def test_raw_queues_are_bounded_by_buffers_and_leak() -> None:
    assert "name=raw-video leaky=downstream max-size-buffers=30" in output()
    for branch in (video_branch(), audio_branch(CONFIG)):
        assert "leaky-type=downstream" in branch
        assert "block=false" in branch


def test_every_segment_stands_alone() -> None:
    assert "config-interval=-1" in output()
    assert "async-finalize=false" in output()
    assert "send-keyframe-requests=true" in output()


def test_the_encoders_delay_is_counted_in_samples() -> None:
    assert encoder_delay(CONFIG) == 33_333_333
    assert encoder_delay(replace(CONFIG, sample_rate=44100)) == 36_281_179


def test_nothing_that_was_muxed_stays_in_the_process() -> None:
    assert 'sink="filesink buffer-mode=unbuffered"' in output()
