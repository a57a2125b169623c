"""The latest word of each running recorder: `GET http://POD_IP:8080/status`, every few seconds.

One small loop per recording, apart from the work queue: a recorder that doesn't answer holds up nobody, and
no call to the Kubernetes API is made for a figure that nobody waits for. When something has changed that is
worth writing, the task's doorbell is rung and the next reconcile finds the report here. What is held here
may be lost at any time: the recorder says it again.
"""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import aiohttp
import structlog
from pydantic import ValidationError

from egress_api.constants import RECORDER_PORT
from egress_api.results import LiveReport
from egress_operator.draft import worth_writing
from egress_operator.metrics import Metrics
from egress_operator.pod_state import PodView

Key = TypeVar("Key", bound=Hashable)

ANSWER_SECONDS: Final = 2.0
FIRST_LOOK_SECONDS: Final = 0.5
SLOWEST_SECONDS: Final = 30.0
_LARGEST_ANSWER: Final = 256 * 1024

logger = structlog.get_logger(__name__)


@dataclass
class _Followed:
    pod_uid: str
    task: asyncio.Task[None]
    latest: LiveReport | None = field(default=None)


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
        tasks = [followed.task for followed in self._followed.values()]
        for key in list(self._followed):
            self.drop(key)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def follow(self, key: Key, pod: PodView) -> None:
        """Look at this Pod's recorder from now on, and at no other Pod of the same task."""
        followed = self._followed.get(key)
        if followed is not None and followed.pod_uid == pod.uid:
            return
        self.drop(key)
        task = asyncio.create_task(self._poll(key, pod), name=f"live {pod.namespace}/{pod.name}")
        self._followed[key] = _Followed(pod_uid=pod.uid, task=task)

    def drop(self, key: Key) -> None:
        """Stop looking."""
        followed = self._followed.pop(key, None)
        if followed is not None:
            followed.task.cancel()

    def latest(self, key: Key, pod: PodView) -> LiveReport | None:
        """Return what this Pod's recorder said last, if anything."""
        followed = self._followed.get(key)
        return followed.latest if followed is not None and followed.pod_uid == pod.uid else None

    async def _poll(self, key: Key, pod: PodView) -> None:
        told: LiveReport | None = None
        pause = FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            report = await self._look(pod)
            followed = self._followed.get(key)
            if report is None or followed is None:
                pause = min(pause * 2, SLOWEST_SECONDS)
                continue
            pause = self._poll_seconds if report.files else min(self._poll_seconds, 1.0)
            followed.latest = report
            if told is None or _news(told, report):
                told = report
                self._ring(key)

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


def _news(told: LiveReport, report: LiveReport) -> bool:
    def facts(r: LiveReport) -> tuple[object, ...]:
        return (
            r.phase,
            r.first_frame_at,
            r.joined_at,
            r.files_total,
            r.manifest_uri,
            r.participants > 0,
            r.page,
        )

    return facts(told) != facts(report) or worth_writing(told.files, report.files)
