"""Where a span stands: trace and span id, as the W3C's `traceparent` header writes them. Pure.

In: a header or an annotation, of which anything may be wrong. Out: ids. The ids of a task's own spans are derived
from its UID: whoever restarts gives a span the id that it had before, and children know their parent's id before it
has ended.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED: Final = 1
_RANDOM_BITS: Final = 56
"""Of a trace id, the last ones: all of them random, also in a UID, whose version and variant stand before them."""


@dataclass(frozen=True, slots=True)
class TraceParent:
    """One span's place."""

    trace_id: str
    span_id: str
    sampled: bool

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return what a `traceparent` says; None where there is none, or none that can be used (W3C Trace Context, 3.2)."""
        match = _FORM.fullmatch((text or "").strip())
        if match is None:
            return None
        version, trace_id, span_id, flags, more = match.groups()
        if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self, span_id: str = "") -> "TraceParent":
        """Return the place of a span below this one, with that id or a random one."""
        return TraceParent(self.trace_id, span_id or secrets.token_hex(8), self.sampled)


def new_trace(*, sample_ratio: float) -> TraceParent:
    """Return the first span's place in a new trace."""
    trace_id = secrets.token_hex(16)
    return TraceParent(trace_id, secrets.token_hex(8), _chosen(trace_id, sample_ratio))


def trace_of_task(uid: str, *, sample_ratio: float) -> TraceParent:
    """Return where a task's trace begins that no request began: its UID is the trace's id.

    Args:
        uid: the task's; its span's id is derived from it, too.
        sample_ratio: share of traces that are kept.
    """
    try:
        trace_id = UUID(uid).hex
    except ValueError:
        trace_id = hashlib.sha256(uid.encode()).hexdigest()[:32]
    return TraceParent(trace_id, derived_id(uid), _chosen(trace_id, sample_ratio))


def derived_id(*parts: str | int) -> str:
    """Return a span id that the same parts give again."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:16]


def _chosen(trace_id: str, ratio: float) -> bool:
    # By the id alone: whoever else decides by the same ratio decides the same.
    return int(trace_id, 16) % (1 << _RANDOM_BITS) < ratio * (1 << _RANDOM_BITS)
