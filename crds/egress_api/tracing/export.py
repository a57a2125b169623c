"""Finished spans on their way to an OTLP receiver, beside the work and never in its way.

In: spans. Out: the same, to otlp.py. OpenTelemetry takes a part of a second to load, so a thread does it, and spans
wait meanwhile. What waits is bounded, and nobody waits for it but a program that ends, for a moment.
"""

import asyncio
import contextlib
import importlib.util
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from egress_api.tracing.spans import Sink, Span

if TYPE_CHECKING:
    from egress_api.tracing.otlp import Otlp

WAITING_SPANS: Final = 2048
CLOSE_SECONDS: Final = 2.0
"""For what still waits when a program ends."""

_log = logging.getLogger(__name__)


class TracingError(Exception):
    """Traces are switched on and can't be exported; the text says what to do."""


class Exporter:
    """Takes spans from one thread and exports them in others."""

    def __init__(self, endpoint: str, *, program: str, headers: str | None = None) -> None:
        """Begin.

        Args:
            endpoint: of the receiver; `/v1/traces` is added.
            program: the service's name.
            headers: in place of the environment's OTEL_EXPORTER_OTLP_HEADERS.

        Raises:
            TracingError: OpenTelemetry is not installed.
        """
        _must_be_installed()
        self._endpoint = endpoint
        self._program = program
        self._headers = headers
        self._early: deque[Span] = deque(maxlen=WAITING_SPANS)
        self._lock = threading.Lock()
        self._emit: Sink | None = None
        self._otlp: Otlp | None = None
        self._loading = threading.Thread(target=self._load, name="tracing-load", daemon=True)
        self._loading.start()

    def __call__(self, span: Span) -> None:
        """Take a span; nothing is waited for."""
        with self._lock:
            if self._emit is None:
                self._early.append(span)
                return
            try:
                self._emit(span)
            except Exception:  # noqa: BLE001 - whoever has a span to tell has something better to do
                _log.exception("A span is left out")

    async def close(self, *, seconds: float = CLOSE_SECONDS) -> None:
        """Export what waits, as far as that goes in so many seconds."""
        # In a thread of its own: OpenTelemetry waits for as long as a try lasts, whatever limit it is given. Not in the
        # loop's pool either: that would be waited for when the program ends.
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            self._close()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=close, name="tracing-close", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), seconds)

    def _load(self) -> None:
        try:
            from egress_api.tracing.otlp import Otlp  # noqa: PLC0415 - nobody pays for it who has no traces

            otlp = Otlp(
                self._endpoint, program=self._program, headers=self._headers, waiting_spans=WAITING_SPANS
            )
        except Exception:  # noqa: BLE001 - whatever it is, the program goes on; what is kept by then stays little
            _log.exception("Traces can't be exported: OpenTelemetry can't be set up")
            return
        with self._lock:
            while self._early:
                otlp.emit(self._early.popleft())
            self._otlp, self._emit = otlp, otlp.emit

    def _close(self) -> None:
        self._loading.join()
        if self._otlp is not None:
            self._otlp.close()


def _must_be_installed() -> None:
    try:
        found = all(
            importlib.util.find_spec(name)
            for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
        )
    except ModuleNotFoundError:
        found = False
    if not found:
        raise TracingError(
            "tracing.endpoint is set, but OpenTelemetry is not installed here: install egress-operator[otel] "
            "beside this program (the project's images have it), or leave tracing.endpoint empty"
        )
