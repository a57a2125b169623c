"""GStreamer's Python binding, in the one version this code is written for. Nothing else imports `gi` first."""

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - the version must be required first

Gst.init(None)

__all__ = ["Gst"]
