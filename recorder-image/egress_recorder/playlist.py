"""The HLS media playlist, written by hand: no element or package writes what a growing recording needs.

(GStreamer's hlssink2 knows neither PLAYLIST-TYPE nor PROGRAM-DATE-TIME and rotates files; the playlist
packages re-render from a model and give no promise about the bytes already published.)

The rules (RFC 8216, and Apple's for EVENT playlists): the target duration is fixed from the start, text is
only ever appended, ENDLIST comes once, at the end. Pure: entries in, bytes out.
"""

from datetime import datetime

from egress_api.base import to_rfc3339_millis

ENDLIST = b"#EXT-X-ENDLIST\n"


class Playlist:
    """A playlist that grows.

    Args:
        target_seconds: the configured length of a segment, the playlist's target duration.
    """

    def __init__(self, *, target_seconds: int) -> None:
        self._target = target_seconds
        self._text = bytearray(
            "#EXTM3U\n"
            "#EXT-X-VERSION:3\n"
            f"#EXT-X-TARGETDURATION:{target_seconds}\n"
            "#EXT-X-MEDIA-SEQUENCE:0\n"
            "#EXT-X-PLAYLIST-TYPE:EVENT\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n".encode()
        )

    def append(self, uri: str, *, seconds: float, started_at: datetime, discontinuity: bool) -> None:
        """Add a segment behind the others."""
        if discontinuity:
            self._text += b"#EXT-X-DISCONTINUITY\n"
        self._text += f"#EXT-X-PROGRAM-DATE-TIME:{to_rfc3339_millis(started_at)}\n#EXTINF:{seconds:.6f},\n{uri}\n".encode()

    def overlong(self, seconds: float) -> bool:
        """Say whether a segment breaks the rule that EXTINF, rounded, stays within the target duration."""
        return int(seconds + 0.5) > self._target

    def render(self, *, ended: bool) -> bytes:
        """Return the playlist as it is to be stored now."""
        return bytes(self._text) + (ENDLIST if ended else b"")
