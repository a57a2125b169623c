"""Does this image have all that a capture needs? Run when the image is built, so that it fails there and not in a Pod.

Out: nothing and exit code 0, or a sentence. Builds every pipeline (a missing element is an error), and tries the
zero-copy way: an image whose livekit or GStreamer has moved on would silently be slower.
"""

import sys

from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.livekit_frames import zero_copy_works
from egress_recorder.capture.pipeline import audio_branch, output_pipeline, video_branch


def check() -> str | None:
    """Give the sentence that says what is wrong, or None."""
    config = CaptureConfig(spool=".", source=SourceConfig())
    try:
        Gst.parse_launch(output_pipeline(config, threads=1))
        for branch in (video_branch(), audio_branch(config)):
            Gst.parse_bin_from_description(branch, True)
    except Exception as error:  # noqa: BLE001 - GLib.Error; whatever it is, the image is not right
        return f"A pipeline cannot be built: {error}"
    if not zero_copy_works():
        return (
            "Frames cannot be taken without a copy: livekit_frames.py does not fit this livekit or GStreamer."
        )
    return None


if __name__ == "__main__":
    sys.exit(check())
