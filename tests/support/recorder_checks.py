"""What must hold of a recorder's store and spool, whatever it went through."""

import hashlib
from itertools import pairwise
from pathlib import Path

from egress_api.manifest import Manifest
from egress_api.states import GapReason
from support.recorder import RecorderProcess


def assert_whole(recorder: RecorderProcess) -> Manifest:
    """Check that playlist, manifest and objects in the store tell the same, and that it is all there is."""
    manifest = assert_nothing_broken(recorder)
    names = [segment.name for segment in manifest.segments]
    assert recorder.listed_names() == names
    assert recorder.segments_stored() == set(names)
    assert_gaps(manifest)
    return manifest


def assert_nothing_broken(recorder: RecorderProcess) -> Manifest:
    """Check what holds wherever an outage begins: the playlist is never ahead of the manifest, nor that of the store."""
    manifest = recorder.manifest()
    assert manifest is not None
    for segment in manifest.segments:
        data = (recorder.store / segment.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (segment.size_bytes, segment.sha256)
    names, listed = [segment.name for segment in manifest.segments], recorder.listed_names()
    assert listed == names[: len(listed)]
    assert [segment.index for segment in manifest.segments] == list(range(len(names)))
    return manifest


def assert_gaps(manifest: Manifest) -> None:
    """Check that the gaps are where the timeline jumps and as long, and that pauses are no loss."""
    jumps = [(before, segment) for before, segment in pairwise(manifest.segments) if segment.discontinuity]
    assert all(segment.gap_reason is not None for _, segment in jumps)
    missing = sum(
        max(0.0, (segment.started_at - before.started_at).total_seconds() - before.duration_seconds)
        for before, segment in jumps
    )
    first = manifest.segments[0].started_at if manifest.segments else None
    within = [gap for gap in manifest.gaps if first and gap.started_at >= first]
    assert abs(sum(gap.seconds for gap in within) - missing) <= 0.002 * (1 + len(jumps))
    lost = sum(gap.seconds for gap in manifest.gaps if gap.reason is not GapReason.PAUSED)
    assert abs(manifest.lost_seconds - lost) < 0.001


def assert_ended(recorder: RecorderProcess) -> Manifest:
    """Check that the recording in the store is whole and closed."""
    manifest = assert_whole(recorder)
    playlist = recorder.playlist()
    assert playlist.count("#EXT-X-ENDLIST") == 1
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    assert manifest.complete
    assert manifest.files[0].sha256 == hashlib.sha256(playlist.encode()).hexdigest()
    assert manifest.files[0].size_bytes == sum(segment.size_bytes for segment in manifest.segments)
    return manifest


def listens_to_sigterm(recorder: RecorderProcess) -> bool:
    """Say whether it would hear a SIGTERM (bit 14 of SigCgt). That is long before its event loop does."""
    assert recorder.process is not None
    status = Path(f"/proc/{recorder.process.pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & 1 << 14)


def segments_left(recorder: RecorderProcess) -> list[Path]:
    return list(recorder.spool.rglob("*.ts"))
