"""Read an HLS media playlist and hold it against RFC 8216 and the rules that a recording promises.

In: the playlist's text. Out: `Playlist`, and sentences about what is wrong in it. It never opens a segment: what
the media say is recording_media.py's subject.
"""

import re
from dataclasses import dataclass
from datetime import datetime

CLOCK_TOLERANCE_SECONDS = 0.05
"""How far PROGRAM-DATE-TIME may be from the previous one plus its EXTINF."""

KNOWN_TAGS = {
    "EXTM3U", "EXTINF", "EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-PLAYLIST-TYPE",
    "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-DISCONTINUITY", "EXT-X-ENDLIST",
    "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-GAP", "EXT-X-START",
}  # fmt: skip
EXTINF_DECIMALS = re.compile(r"^\d+\.\d{3,}$")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One segment as the playlist lists it."""

    name: str
    seconds: float
    extinf: str
    """EXTINF as it is written."""
    at: datetime | None
    """PROGRAM-DATE-TIME: the wall clock of the first frame."""
    discontinuity: bool


@dataclass(frozen=True, kw_only=True)
class Playlist:
    """A media playlist: its header, its segments and the tags in the order they came."""

    text: str
    tags: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...]

    def values(self, tag: str) -> list[str]:
        """Return what stands behind each occurrence of a tag."""
        return [value for name, value in self.tags if name == tag]

    def number(self, tag: str) -> int | None:
        """Return the first occurrence's value where it is a whole number."""
        return next((int(value) for value in self.values(tag) if value.isdigit()), None)

    @property
    def ended(self) -> bool:
        """Whether the playlist says that nothing more will come."""
        return bool(self.values("EXT-X-ENDLIST"))

    @property
    def seconds(self) -> float:
        """How long the recording is, by its own account."""
        return sum(entry.seconds for entry in self.entries)


def read(text: str) -> Playlist:
    """Parse a playlist; a line that makes no sense is kept as a tag for `problems` to find."""
    tags: list[tuple[str, str]] = []
    entries: list[Entry] = []
    pending: dict[str, str] = {}
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("#EXT"):
            tag, _, value = line[1:].partition(":")
            tags.append((tag, value))
            pending[tag] = value
        elif line and not line.startswith("#"):
            extinf = pending.get("EXTINF", "").split(",", 1)[0]
            entries.append(
                Entry(
                    name=line,
                    seconds=_number(extinf),
                    extinf=extinf,
                    at=_moment(pending.get("EXT-X-PROGRAM-DATE-TIME")),
                    discontinuity="EXT-X-DISCONTINUITY" in pending,
                )
            )
            pending = {}
    return Playlist(text=text, tags=tuple(tags), entries=tuple(entries))


def problems(playlist: Playlist, *, ended: bool) -> list[str]:
    """Say what is wrong with the playlist; `ended` is whether the recording should have been finished."""
    return [*_header(playlist), *_end(playlist, ended=ended), *_durations(playlist), *_clock(playlist)]


def _header(playlist: Playlist) -> list[str]:
    found = []
    if not playlist.text.startswith("#EXTM3U\n"):
        found.append("the playlist does not begin with #EXTM3U")
    once = {
        "EXT-X-VERSION": r"[3-9]|1[0-3]",
        "EXT-X-TARGETDURATION": r"[1-9]\d*",
        "EXT-X-MEDIA-SEQUENCE": "0",
        "EXT-X-PLAYLIST-TYPE": "EVENT",
        "EXT-X-INDEPENDENT-SEGMENTS": "",
    }
    for tag, pattern in once.items():
        values = playlist.values(tag)
        if len(values) != 1:
            found.append(f"the playlist has {tag} {len(values)} times instead of once")
        elif not re.fullmatch(pattern, values[0]):
            found.append(f"the playlist's {tag} is {values[0]!r}, not {pattern!r}")
        if playlist.entries and playlist.text.find(f"#{tag}") > playlist.text.find("#EXTINF"):
            found.append(f"{tag} stands behind the first segment instead of before it")
    unknown = sorted({tag for tag, _ in playlist.tags} - KNOWN_TAGS)
    if unknown:
        found.append(f"the playlist has tags that a recording does not need: {', '.join(unknown)}")
    if not playlist.entries:
        found.append("the playlist lists no segment")
    names = [entry.name for entry in playlist.entries]
    found += [f"{name} is listed more than once" for name in sorted({n for n in names if names.count(n) > 1})]
    return found


def _end(playlist: Playlist, *, ended: bool) -> list[str]:
    count = len(playlist.values("EXT-X-ENDLIST"))
    lines = [line for line in playlist.text.splitlines() if line.strip()]
    if not ended:
        return ["the playlist has EXT-X-ENDLIST although it is still recording"] if count else []
    if count != 1:
        return [f"the playlist has EXT-X-ENDLIST {count} times instead of once"]
    return [] if lines[-1] == "#EXT-X-ENDLIST" else ["EXT-X-ENDLIST is not the playlist's last line"]


def _durations(playlist: Playlist) -> list[str]:
    found = []
    target = playlist.number("EXT-X-TARGETDURATION")
    for entry in playlist.entries:
        if not EXTINF_DECIMALS.match(entry.extinf):
            found.append(f"{entry.name}: EXTINF {entry.extinf!r} is not seconds with three or more decimals")
        if target is not None and round(entry.seconds) > target:
            found.append(
                f"{entry.name}: EXTINF {entry.seconds:.3f} s is longer than TARGETDURATION {target} s"
            )
    return found


def _clock(playlist: Playlist) -> list[str]:
    found = [f"{e.name}: has no PROGRAM-DATE-TIME with a time zone" for e in playlist.entries if e.at is None]
    for before, after in zip(playlist.entries, playlist.entries[1:], strict=False):
        if before.at is None or after.at is None:
            continue
        step = (after.at - before.at).total_seconds()
        if step <= 0:
            found.append(f"{after.name}: PROGRAM-DATE-TIME is not later than that of {before.name}")
        elif not after.discontinuity and abs(step - before.seconds) > CLOCK_TOLERANCE_SECONDS:
            found.append(
                f"{after.name}: PROGRAM-DATE-TIME is {step:.3f} s after {before.name},"
                f" whose EXTINF is {before.seconds:.3f} s"
            )
        elif after.discontinuity and step + CLOCK_TOLERANCE_SECONDS < before.seconds:
            found.append(f"{after.name}: begins {before.seconds - step:.3f} s before {before.name} has ended")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.utcoffset() is not None else None
