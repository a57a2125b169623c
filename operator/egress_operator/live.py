"""The latest word of each running recorder: `GET http://POD_IP:8080/status`, every few seconds.

One small loop per recording, apart from the work queue: a recorder that doesn't answer holds up nobody, and
no call to the Kubernetes API is made for a figure that nobody waits for. When something has changed that is
worth writing, the task's doorbell is rung and the next reconcile finds the report here, or for how long there
has been no answer. What is held here may be lost at any time: the recorder says it again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import aiohttp
import structlog
from pydantic import ValidationError

from egress_api.constants import RECORDER_PORT
from egress_api.results import LiveReport
from egress_operator.figures import (
    BACKLOG_BYTES,
    BACKLOG_SECONDS,
    gaps_to_write,
    pending_to_write,
    worth_writing,
)
from egress_operator.metrics import Metrics
from egress_operator.pod_state import PodView

Key = TypeVar("Key", bound=Hashable)

ANSWER_SECONDS: Final = 2.0
FIRST_LOOK_SECONDS: Final = 0.5
SLOWEST_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 1.0
"""Between two looks while an answer is waited for: a pause that is to begin, a node that may be lost."""
_LARGEST_ANSWER: Final = 256 * 1024

logger = structlog.get_logger(__name__)


@dataclass
class _Followed:
    pod_uid: str
    task: asyncio.Task[None] | None = None
    latest: LiveReport | None = None
    closely: bool = False
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    tried: bool = False
    """Whether it has been asked since it is followed, and since it is followed closely."""
    silent_since: float | None = None
    """When the first look after its last answer began."""
    backlog_since: float | None = None


class LiveReports(Generic[Key]):
    """Follows recorders that run. An async context manager: it holds one HTTP session."""

    def __init__(
        self,
        *,
        poll_seconds: float,
        ring: Callable[[Key], None],
        metrics: Metrics,
        port: int = RECORDER_PORT,
    ) -> None:
        """Prepare.

        Args:
            poll_seconds: between two looks at a recorder that answers.
            ring: is called with a key when its report has changed enough to be written.
            metrics: counts the looks that failed.
            port: of the recorders.
        """
        self._poll_seconds = poll_seconds
        self._ring = ring
        self._metrics = metrics
        self._port = port
        self._followed: dict[Key, _Followed] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "LiveReports[Key]":
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop looking at anything."""
        tasks = [followed.task for followed in self._followed.values() if followed.task is not None]
        for key in list(self._followed):
            self.drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def follow(self, key: Key, pod: PodView, *, closely: bool = False) -> None:
        """Look at this Pod's recorder from now on, and at no other Pod of the same task.

        Args:
            key: the task's.
            pod: has an address.
            closely: whether somebody waits for its next answer.
        """
        followed = self._followed.get(key)
        if followed is None or followed.pod_uid != pod.uid:
            self.drop(key)
            followed = self._followed[key] = _Followed(pod_uid=pod.uid)
            followed.task = asyncio.create_task(
                self._poll(key, pod, followed), name=f"live {pod.namespace}/{pod.name}"
            )
        if closely and not followed.closely:
            followed.tried = False
            followed.hurry.set()
        followed.closely = closely

    def drop(self, key: Key) -> None:
        """Stop looking."""
        followed = self._followed.pop(key, None)
        if followed is not None and followed.task is not None:
            followed.task.cancel()

    def latest(self, key: Key, pod: PodView) -> LiveReport | None:
        """Return what this Pod's recorder said last, if anything."""
        followed = self._followed.get(key)
        return followed.latest if followed is not None and followed.pod_uid == pod.uid else None

    def silent_seconds(self, key: Key, pod: PodView) -> float | None:
        """Return for how long this Pod's recorder has been asked in vain; None where it was not asked lately."""
        followed = self._followed.get(key)
        if followed is None or followed.pod_uid != pod.uid or not followed.tried:
            return None
        return 0.0 if followed.silent_since is None else _now() - followed.silent_since

    def backlog_lasts(self, key: Key, pod: PodView) -> bool:
        """Return whether this Pod's recorder has kept more than a healthy one does, for a while."""
        followed = self._followed.get(key)
        return followed is not None and followed.pod_uid == pod.uid and _lasts(followed)

    async def _poll(self, key: Key, pod: PodView, followed: _Followed) -> None:
        told: LiveReport | None = None
        pending, pause = 0, FIRST_LOOK_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(followed.hurry.wait(), pause)
            followed.hurry.clear()
            began, asked_closely = _now(), followed.closely
            report = await self._look(pod)
            # A look that began before somebody waited for an answer is none that he waits for.
            followed.tried = followed.tried or asked_closely == followed.closely
            if report is None:
                followed.silent_since = began if followed.silent_since is None else followed.silent_since
                pause = CLOSE_SECONDS if followed.closely else min(pause * 2, SLOWEST_SECONDS)
                continue
            followed.silent_since = None
            pause = min(self._poll_seconds, CLOSE_SECONDS) if followed.closely else self._pace(report)
            followed.latest = report
            if report.pending_bytes < BACKLOG_BYTES:
                followed.backlog_since = None
            elif followed.backlog_since is None:
                followed.backlog_since = _now()
            failing = bool(report.upload_error)
            waits = pending_to_write(pending, report.pending_bytes, failing=failing, lasting=_lasts(followed))
            if told is None or waits != pending or _news(told, report):
                told, pending = report, waits
                self._ring(key)

    def _pace(self, report: LiveReport) -> float:
        return self._poll_seconds if report.files else min(self._poll_seconds, 1.0)

    async def _look(self, pod: PodView) -> LiveReport | None:
        if self._session is None or pod.ip is None:
            return None
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        url = f"http://{host}:{self._port}/status"
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status == HTTPStatus.OK:
                    return LiveReport.model_validate_json(await _whole(response))
                problem = f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            problem = f"{type(error).__name__}: {error}"
        self._metrics.live_failures.inc()
        logger.debug("Recorder's status not read", pod=pod.name, namespace=pod.namespace, problem=problem)
        return None


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    # One read() gives what has arrived so far: of a report with many files, the first packet.
    body = b""
    while len(body) <= _LARGEST_ANSWER and (part := await response.content.read(_LARGEST_ANSWER)):
        body += part
    return body


def _now() -> float:
    return asyncio.get_running_loop().time()


def _lasts(followed: _Followed) -> bool:
    return followed.backlog_since is not None and _now() - followed.backlog_since >= BACKLOG_SECONDS


def _news(told: LiveReport, report: LiveReport) -> bool:
    def facts(r: LiveReport) -> tuple[object, ...]:
        return (
            r.phase,
            r.paused,
            r.first_frame_at,
            r.joined_at,
            r.files_total,
            r.manifest_uri,
            r.participants > 0,
            r.page,
            bool(r.upload_error) and r.upload_reason,
        )

    return (
        facts(told) != facts(report)
        or worth_writing(told.files, report.files)
        or gaps_to_write(told.gaps, report.gaps, old_lost=told.lost_seconds, new_lost=report.lost_seconds)
    )
