"""Status calls for tasks that the cluster no longer has: deleted, or cleared away after their time.

In: an app and a task_id that no resource has. Out: the status, from the task's manifest in the store, with an ETag;
or the problem that says there is none, or that the store can't be asked. A recording of another app,
or of another namespace, is as unknown as none. Bounded: so many reads at once, each in its time, and what was read is kept
for a while; both shared out among apps.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from egress_api.constants import MANIFEST_NAME
from egress_api.manifest import Manifest
from egress_gateway.changes import Changes
from egress_gateway.errors import ProblemError, ProblemKind, StoreError
from egress_gateway.exchange import dumped, held_versions, json_answer, status_headers
from egress_gateway.history.archived import archived_answer
from egress_gateway.history.settings import HistorySettings
from egress_gateway.history.shares import FairlyKept, FairTurns
from egress_gateway.history.store import HistoryStore, Kept
from egress_gateway.logs import get_logger
from egress_gateway.lookup import can_be_task
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE
from egress_gateway.polling import wait_of

_KEEP_OPEN_SECONDS: Final = 5
"""For which what may still change is kept: that there is none, or a recording that is being closed."""
_RETRY_SECONDS: Final = 2
_REPAIR_SECONDS: Final = 30
"""Where somebody has to do something first."""

log = get_logger(__name__)


@dataclass(frozen=True)
class _Told:
    content: bytes
    version: str
    closed: bool
    """Whether nothing more is to come of it."""


class History:
    """What the store tells."""

    def __init__(
        self,
        settings: HistorySettings,
        *,
        namespace: str,
        changes: Changes,
        metrics: Metrics,
        found: Callable[[str, str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._store = HistoryStore(settings)
        self._namespace = namespace
        self._changes = changes
        self._found = found
        self._metrics = metrics
        self._clock = clock
        self._turns = FairTurns(settings.parallel)
        self._kept: FairlyKept[_Told | ProblemError] = FairlyKept(entries=settings.keep_entries)

    async def answer(self, request: web.Request, *, app_id: str, task_id: str) -> web.Response:
        """Return the status of a task that the cluster doesn't have, or say that it is what the caller holds.

        A recording that is still being closed is waited for, as a task is.

        Raises:
            ProblemError: when the store knows of no such recording either, or can't be asked.
        """
        wait = wait_of(request)
        held = held_versions(request)
        told = await self._told(app_id, task_id)
        self._found(app_id, task_id)
        if wait and not told.closed and (not held or _holds(held, told)):
            told = await self._changed(request, told, app_id=app_id, task_id=task_id, seconds=wait)
        headers = status_headers(told.version)
        if _holds(held, told):
            response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        else:
            response = json_answer(told.content, headers=headers)
        if self._changes.ended:
            response.force_close()  # the next call is to reach a gateway that stays
        return response

    async def _changed(
        self, request: web.Request, told: _Told, *, app_id: str, task_id: str, seconds: float
    ) -> _Told:
        """Return what is told once it is another, or the time is up."""
        clock = asyncio.get_running_loop().time
        begun, begin = clock(), told.version
        with (
            self._metrics.held_requests.labels("wait").track_inprogress(),
            self._changes.subscription(app_id=app_id, name=task_id) as subscription,
        ):
            while True:
                left = begun + seconds - clock()
                if told.version != begin or left <= 0 or subscription.ended:
                    return told
                # The store doesn't ring: it is looked at again when what was read is kept no longer.
                await subscription.next(seconds=min(left, _KEEP_OPEN_SECONDS))
                request[TRACE].held_seconds = clock() - begun
                told = await self._told(app_id, task_id)

    async def _told(self, app_id: str, task_id: str) -> _Told:
        if not can_be_task(task_id):
            raise _nowhere(app_id, task_id)
        known = self._kept.get(app_id, task_id)
        try:
            if known is None:
                async with asyncio.timeout(self._settings.timeout_seconds), self._turns.of(app_id):
                    # Another call may have asked while this one waited for its turn.
                    known = self._kept.get(app_id, task_id) or await self._read(app_id, task_id)
        except TimeoutError:
            raise self._failed(
                StoreError(f"The store did not answer within {self._settings.timeout_seconds:g} s."), task_id
            ) from None
        except StoreError as error:
            raise self._failed(error, task_id) from error
        if isinstance(known, ProblemError):
            self._metrics.history_reads.labels("missing").inc()
            raise ProblemError(known.kind, known.detail)
        self._metrics.history_reads.labels("found").inc()
        return known

    async def _read(self, app_id: str, task_id: str) -> _Told | ProblemError:
        folder = self._settings.folder_of(app_id=app_id, task_id=task_id, namespace=self._namespace)
        path = f"{folder}/{MANIFEST_NAME}"
        kept = await self._store.manifest(path, app_id=app_id)
        told, seconds = self._meaning(kept, app_id=app_id, task_id=task_id, path=path)
        self._kept.put(app_id, task_id, told, seconds=seconds)
        return told

    def _meaning(
        self, kept: Kept | None, *, app_id: str, task_id: str, path: str
    ) -> tuple[_Told | ProblemError, float]:
        """Return what is to be told, and for how many seconds it holds."""
        manifest = kept.manifest if kept else None
        if kept is None or (manifest is not None and self._is_anothers(manifest, app_id, task_id)):
            return _nowhere(app_id, task_id), _KEEP_OPEN_SECONDS
        # A recording that is complete has an end: where none can be read, a newer recorder has words of its own for it.
        if manifest is None or manifest.asked is None or (manifest.complete and manifest.end is None):
            return _unreadable(app_id, task_id), _KEEP_OPEN_SECONDS
        answer = archived_answer(
            manifest,
            manifest.asked,
            uri=f"{self._settings.of(app_id).url.rstrip('/')}/{path}",
            modified=kept.modified,
            now=self._clock(),
        )
        content = dumped(answer)
        version = f"store-{hashlib.sha256(content).hexdigest()[:20]}"
        told = _Told(content, version, closed=answer.status.terminal)
        return told, self._settings.keep_seconds if manifest.end else _KEEP_OPEN_SECONDS

    def _is_anothers(self, manifest: Manifest, app_id: str, task_id: str) -> bool:
        # Whose it is stands in the manifest: the folder alone may be the same for two apps, and for two releases.
        if (manifest.app_id, manifest.task_id) != (app_id, task_id):
            return True
        return manifest.asked is not None and manifest.asked.namespace != self._namespace

    def _failed(self, error: StoreError, task_id: str) -> ProblemError:
        self._metrics.history_reads.labels("failed").inc()
        # Where the store is, and what it says, is the administrator's: callers get the sentence below.
        log.warning(
            "the store can't tell of a task", task_id=task_id, refused=error.refused, error=str(error)
        )
        what = "refuses the gateway" if error.refused else "can't be asked just now"
        return ProblemError(
            ProblemKind.STORE_UNAVAILABLE,
            f"the cluster has no task {task_id}, and the store that would tell of its recording {what}; the "
            "gateway's log says why. Send the same request again.",
            headers={"Retry-After": str(_REPAIR_SECONDS if error.refused else _RETRY_SECONDS)},
        )


def _holds(held: frozenset[str], told: _Told) -> bool:
    return "*" in held or told.version in held


def _nowhere(app_id: str, task_id: str) -> ProblemError:
    return ProblemError(
        ProblemKind.NOT_FOUND,
        f"app {app_id} has no task {task_id}, and no recording of one in the store: a task that ended before it "
        "recorded leaves nothing there once its resource is gone",
    )


def _unreadable(app_id: str, task_id: str) -> ProblemError:
    return ProblemError(
        ProblemKind.NOT_FOUND,
        f"app {app_id} has no task {task_id} in the cluster, and what its folder in the store has as {MANIFEST_NAME} is "
        "none that this gateway can read; the recording itself may well be there",
    )
