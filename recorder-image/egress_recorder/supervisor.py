"""One attempt from the first breath to the last words: claim, capture, finalise.

In: what to record and how to behave. Out: a `TerminationSummary`. Everything that runs beside the flow (HTTP,
uploads, the wish to end) is started and ended here. No fault leaves it as an exception.
"""

import asyncio
import signal
from http import HTTPStatus
from typing import Final

import structlog

from egress_api.constants import STOP_FILE
from egress_api.recorder import RecorderConfig
from egress_api.results import RecorderPhase, TerminationSummary
from egress_api.states import Reason
from egress_api.tracing.spans import NO_SPAN, OpenSpan
from egress_recorder import early_signals
from egress_recorder.capturing import Capturing
from egress_recorder.claim import claim
from egress_recorder.clock import Clock
from egress_recorder.context import Context
from egress_recorder.control import Wish, heed_stop
from egress_recorder.ending import Ending
from egress_recorder.errors import RecorderError, StoreUnreachableError
from egress_recorder.finalizing import Finalizing
from egress_recorder.live import Live
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.metrics import MetricsText
from egress_recorder.packaging import Packaging
from egress_recorder.people import People
from egress_recorder.recording import Recording
from egress_recorder.server import Answer, Route, Server
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal
from egress_recorder.store import Store
from egress_recorder.uploader import Uploader

_TICK_SECONDS: Final = 0.25
_NOTHING_MORE_COMES: Final = frozenset({Reason.SOURCE_CLOSED, Reason.PAGE_ENDED})
_CLAIM_SHARE: Final = 0.5
"""Of the grace period, for a claim that is only there to close what earlier attempts recorded."""


class Supervisor:
    """One attempt of one task."""

    def __init__(
        self, config: RecorderConfig, settings: Settings, *, clock: Clock, span: OpenSpan = NO_SPAN
    ) -> None:
        now = clock.monotonic()
        self._context = Context(
            config=config,
            settings=settings,
            clock=clock,
            live=Live(config=config, people=People(now=now), beat_at=now),
            stop=StopSignal(),
            log=structlog.get_logger(),
            span=span,
        )

    async def run(self) -> TerminationSummary:
        """Record until there is a reason to end, and return the last words."""
        live, log, settings = self._context.live, self._context.log, self._context.settings
        loop = asyncio.get_running_loop()
        for number in early_signals.ENDING:
            loop.add_signal_handler(number, self._on_signal, number)
        if early_signals.heard():
            self._on_signal(signal.SIGTERM)
        stop_file = Wish(live.config.control_dir, STOP_FILE, log=log)
        heeding = asyncio.create_task(heed_stop(stop_file, self._context.stop, log=log), name="heed-stop")
        server = Server(self._routes())
        uploaded = False
        try:
            port = await server.start(host=settings.host, port=settings.port)
            log.info("started", port=port, store=live.config.store.url)
            ending, uploaded = await self._record()
        except RecorderError as error:
            ending = Ending.of_error(error)
        except Exception as error:
            log.exception("recorder-failed")
            ending = unexpected(error)
        live.phase, live.message = RecorderPhase.ENDED, ending.message
        log.info("ended", outcome=ending.outcome, reason=ending.reason, message=ending.message)
        server.close()
        heeding.cancel()
        return live.summary(ending, uploaded=uploaded, now=self._context.clock.now())

    async def _record(self) -> tuple[Ending, bool]:
        context = self._context
        store = Store(context.config.store, credentials_dir=context.settings.store_credentials_dir)
        manifest = ManifestStore(store, context.config)
        with context.span.below("egress.claim"):
            recording = await self._claim(store, manifest)
        if recording is None:
            return Ending.stopped(Reason.STOP_REQUESTED, "Stopped as asked, before anything began."), True
        context.live.recording, context.live.claimed = recording, True
        uploader = Uploader(context, store=store, manifest=manifest, recording=recording)
        context.live.uploads = uploader
        uploading = asyncio.create_task(uploader.run(), name="uploader")
        try:
            ending = await self._capture(recording, uploader)
        except RecorderError as error:
            ending = Ending.of_error(error)
        except Exception as error:
            # What was recorded until then is still worth finishing.
            context.log.exception("capturing-failed")
            ending = unexpected(error)
        context.live.phase, context.live.message = RecorderPhase.FINALIZING, ending.message
        packaging = Packaging(context, store=store, manifest=manifest, recording=recording)
        return await Finalizing(context, recording=recording, uploader=uploader, packaging=packaging).run(
            ending, uploading=uploading
        )

    async def _capture(self, recording: Recording, uploader: Uploader) -> Ending:
        if self._context.config.finish_only:
            return Ending.stopped(Reason.CLOSING, "Closed what earlier recorders had recorded.")
        if recording.ended_as in _NOTHING_MORE_COMES:
            # Its last words were lost, with its node perhaps: joining would open the channel anew.
            return Ending.stopped(
                Reason(recording.ended_as), "An earlier recorder had recorded it to its end."
            )
        return await Capturing(self._context, recording=recording, uploader=uploader).run()

    async def _claim(self, store: Store, manifest: ManifestStore) -> Recording | None:
        """Claim the folder; None when the end was asked for before anything was recorded."""
        context = self._context
        claiming = asyncio.create_task(claim(context, store=store, manifest=manifest), name="claim")
        while not claiming.done():
            context.beat()
            if self._claims_in_vain():
                claiming.cancel()
            await asyncio.wait({claiming}, timeout=_TICK_SECONDS)
        if not claiming.cancelled():
            return claiming.result()
        if context.config.attempt == 1:
            return None
        raise StoreUnreachableError(
            "Stopped as asked, but the store did not answer in time to close what earlier attempts recorded."
        )

    def _claims_in_vain(self) -> bool:
        """Say whether the end was asked for, and a claim would come too late or has nothing to close."""
        stop, config = self._context.stop, self._context.config
        if stop.asked and config.attempt == 1:
            return True
        if stop.asked_at is None:
            return False
        waited = self._context.clock.monotonic() - stop.asked_at
        return stop.hurry or waited > config.finalize_seconds * _CLAIM_SHARE

    def _on_signal(self, number: signal.Signals) -> None:
        self._context.stop.ask(now=self._context.clock.monotonic())
        self._context.log.info("signal", signal=number.name, hurry=self._context.stop.hurry)

    def _routes(self) -> dict[str, Route]:
        live = self._context.live
        metrics = MetricsText(live)

        def status() -> Answer:
            body = live.status().model_dump_json(by_alias=True, exclude_none=True)
            return Answer(body.encode(), content_type="application/json")

        def readyz() -> Answer:
            if live.ready:
                return Answer(b"ready\n")
            return Answer(f"not ready: {live.message}\n".encode(), HTTPStatus.SERVICE_UNAVAILABLE)

        def healthz() -> Answer:
            silent = self._context.clock.monotonic() - live.beat_at
            if silent <= self._context.settings.stuck_after_seconds:
                return Answer(b"ok\n")
            text = f"stuck: the main flow has not moved for {silent:.0f} s\n"
            return Answer(text.encode(), HTTPStatus.SERVICE_UNAVAILABLE)

        def figures() -> Answer:
            return Answer(metrics(), content_type=MetricsText.CONTENT_TYPE)

        return {"/status": status, "/readyz": readyz, "/healthz": healthz, "/metrics": figures}


def unexpected(error: Exception) -> Ending:
    """Return the end that a fault of our own means."""
    return Ending.failed(
        Reason.RECORDER_FAILED,
        f"The recorder failed unexpectedly ({type(error).__name__}); its log says where.",
        retryable=True,
    )
