"""Does this image have all that a capture needs? Run when the image is built, so that it fails there and not in a Pod.

Out: nothing and exit code 0, or a sentence. Builds every pipeline (a missing element is an error), and tries the
zero-copy way: an image whose livekit or GStreamer has moved on would silently be slower. With the argument `page`
also what a page needs: browser, display, sound server, and the browser's policies.
"""

import json
import shutil
import sys
from pathlib import Path

from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.livekit_frames import zero_copy_works
from egress_recorder.capture.pipeline import audio_branch, output_pipeline, video_branch


def check() -> str | None:
    """Give the sentence that says what is wrong, or None."""
    config = CaptureConfig(spool=".", source=SourceConfig())
    try:
        Gst.parse_launch(output_pipeline(config, threads=1))
        for branch in (video_branch(), video_branch(screen=True), audio_branch(config)):
            Gst.parse_bin_from_description(branch, True)
    except Exception as error:  # noqa: BLE001 - GLib.Error; whatever it is, the image is not right
        return f"A pipeline cannot be built: {error}"
    try:
        from egress_recorder import remux  # noqa: PLC0415 - so that libav's absence is a sentence, too

        del remux
    except ImportError as error:
        return f"No file can be made: {error}"
    if not zero_copy_works():
        return (
            "Frames cannot be taken without a copy: livekit_frames.py does not fit this livekit or GStreamer."
        )
    return None


def check_page() -> str | None:
    """Give the sentence that says what a page would miss, or None."""
    try:
        from egress_recorder.capture import page_source  # noqa: PLC0415 - there in the web image alone
        from egress_recorder.capture.browser import POLICIES, PROGRAM  # noqa: PLC0415 - as above

        del page_source
    except ImportError as error:
        return f"Pages can't be recorded: {error}"
    for program in (PROGRAM, "Xvfb", "pulseaudio", "parec"):
        if shutil.which(program) is None:
            return f"Pages can't be recorded: there is no {program}."
    try:
        json.loads(Path(POLICIES).read_text())
    except (OSError, ValueError) as error:
        return f"The browser would run without its policies: {error}"
    return None


if __name__ == "__main__":
    sys.exit(check() or (check_page() if "page" in sys.argv[1:] else None))
