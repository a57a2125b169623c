"""The recorder's figures for Prometheus, made from `Live` when they are asked for: nothing is counted twice."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from egress_api.results import RecorderPhase
from egress_recorder.live import Live

_PREFIX = "egress_recorder"


class LiveCollector(Collector):
    """Turns the live state into metric families."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        """Give every figure as it is now."""
        live, book = self._live, self._live.recording
        gauges = {
            "recorded_seconds": (
                "Seconds in the playlist, all attempts.",
                book.listed_seconds if book else 0,
            ),
            "segments_listed": ("Segments in the playlist, all attempts.", book.listed if book else 0),
            "pending_segments": ("Segments not in the store yet.", book.pending if book else 0),
            "pending_bytes": ("Their bytes.", book.pending_bytes if book else 0),
            "lost_seconds": (
                "Seconds missing in the recording, pauses not counted, all attempts.",
                book.lost_seconds if book else 0,
            ),
            "paused": ("1 while what comes is left out, as asked.", int(book.paused) if book else 0),
            "participants": ("People in the picture or in the sound.", live.people.active),
            "ready": ("1 once joined and producing.", int(live.ready)),
        }
        counters = {
            "segments_uploaded": ("Segments uploaded and verified by this attempt.", live.uploaded),
            "uploaded_bytes": ("Their bytes.", live.uploaded_bytes),
            "segments_lost": ("Segments that could not be kept.", book.lost if book else 0),
            "segments_dropped": (
                "Segments that gave way to newer ones in a full spool.",
                book.dropped if book else 0,
            ),
            "upload_failures": ("Failed tries to write to the store.", live.upload_failures),
            "capture_restarts": ("Captures that died and were started again.", live.restarts),
            "capture_warnings": ("Warnings from the capture.", live.warnings),
            "frames": ("Frames encoded by the running capture.", live.frames),
            "frames_dropped": ("Frames missing on the running capture's timeline.", live.dropped),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)
        phases = GaugeMetricFamily(f"{_PREFIX}_phase", "1 for the phase it is in.", labels=["phase"])
        for phase in RecorderPhase:
            phases.add_metric([phase.value], float(phase is live.phase))
        yield phases


class MetricsText:
    """Writes the figures, and those of the process, in Prometheus' text form."""

    CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, live: Live) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LiveCollector(live))
        ProcessCollector(registry=self._registry)

    def __call__(self) -> bytes:
        """Return the text."""
        return generate_latest(self._registry)
