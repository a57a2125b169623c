"""Lips and voices: how much later a person's pictures must be shown to be in step with their sound.

In: the SDK's receive statistics of a person's two tracks. Out: a shift for the video feed. The sound is not
touched: its samples follow one another, while pictures can be shifted by a few milliseconds unseen.
libwebrtc does this itself only where the server puts camera and microphone in one stream (LiveKit's room option
`sync_streams`, off by default); measured without it: the sound 60 to 390 ms late, moving with the load, because
NetEq holds sound back for longer than anybody holds pictures back.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from egress_recorder.capture.timing import MILLISECOND

MAX_SHIFT = 400 * MILLISECOND
MIN_SHIFT = -100 * MILLISECOND
FIRST_GUESS = 60 * MILLISECOND
"""Before there are statistics: what NetEq does on a quiet network."""
STATS_SECONDS = 2.0
"""The SDK gives no answer for a track that goes away while it is asked."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the SDK has counted about a track since it began."""

    held_seconds: float = 0.0
    """The sum, over all frames or samples, of the time they waited."""
    released: int = 0
    """How many frames or samples that is."""
    behind_ms: float | None = None
    """How far the sender's clock at what is played now is behind ours; None unless libwebrtc keeps the tracks in
    step itself (the clocks' own difference is in it, the same for both tracks)."""

    def delay_since(self, earlier: "Receipt") -> float | None:
        """Give the mean time held, in nanoseconds, between two receipts; None if nothing came."""
        released = self.released - earlier.released
        return (self.held_seconds - earlier.held_seconds) * 1e9 / released if released > 0 else None


def video_shift(sound: tuple[Receipt, Receipt], picture: tuple[Receipt, Receipt]) -> int | None:
    """Give the shift for the pictures, in nanoseconds, from two receipts (earlier, now) of each; None: not known.

    What else delays them is about equal: 20 ms until a packet of sound is full, encoding for a picture.
    """
    if sound[1].behind_ms is not None and picture[1].behind_ms is not None:
        wanted = (sound[1].behind_ms - picture[1].behind_ms) * MILLISECOND
    else:
        sound_held, picture_held = sound[1].delay_since(sound[0]), picture[1].delay_since(picture[0])
        if sound_held is None or picture_held is None:
            return None
        wanted = sound_held - picture_held
    return round(min(MAX_SHIFT, max(MIN_SHIFT, wanted)))


async def receipt(track: Any) -> Receipt | None:
    """Ask the SDK for a track's receipt; None if it has none, or none any more."""
    try:
        async with asyncio.timeout(STATS_SECONDS):
            stats_list = await track.get_stats()
    except Exception:  # noqa: BLE001 - all that the SDK raises; one track's end must not stop the looking
        return None
    now_ms = time.time() * 1000
    for stats in stats_list:
        if stats.WhichOneof("stats") == "inbound_rtp":
            inbound = stats.inbound_rtp.inbound
            return Receipt(
                held_seconds=inbound.jitter_buffer_delay,
                released=inbound.jitter_buffer_emitted_count,
                behind_ms=now_ms - inbound.estimated_playout_timestamp
                if inbound.estimated_playout_timestamp
                else None,
            )
    return None
