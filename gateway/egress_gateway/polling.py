"""Status calls that cost little: an answer only where it is another than the last one, or once it is.

In: a task, what the caller holds (If-None-Match), and how long it would wait. Out: the status with its ETag, or
304. Waiting holds no thread and asks nobody: the watch rings. The end of the gateway ends it at once.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web

from egress_api.task import EgressTask
from egress_gateway.changes import Changes
from egress_gateway.exchange import held_versions, json_answer, status_headers, told
from egress_gateway.lookup import Lookup
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE
from egress_gateway.query import Query, seconds

LONGEST_WAIT: Final = 60

_ANY: Final = "*"


class Polling:
    """The answers to status calls."""

    def __init__(self, lookup: Lookup, changes: Changes, *, metrics: Metrics) -> None:
        self._lookup = lookup
        self._changes = changes
        self._metrics = metrics

    async def answer(self, request: web.Request, *, app_id: str, task_id: str) -> web.Response:
        """Return the status, now or when it changes, or say that it is what the caller holds.

        Raises:
            ProblemError: when this app has no such task (any more), or nobody can tell.
        """
        wait = wait_of(request)
        held = held_versions(request)
        task = await self._lookup.get(app_id=app_id, task_id=task_id)
        if wait and (not held or _holds(held, task)):
            task = await self._changed(request, task, seconds=wait)
        response = not_modified(task) if _holds(held, task) else status_answer(task)
        if self._changes.ended:
            response.force_close()  # the next call is to reach a gateway that stays
        return response

    async def _changed(self, request: web.Request, task: EgressTask, *, seconds: float) -> EgressTask:
        """Return the task as it is when it has changed, or the time is up."""
        app_id, task_id = task.spec.app_id, task.metadata.name
        clock = asyncio.get_running_loop().time
        begun = clock()
        begin = version(task)
        with (
            self._metrics.held_requests.labels("wait").track_inprogress(),
            self._changes.subscription(app_id=app_id, name=task_id) as subscription,
        ):
            while True:
                # Asked again also when the time is up: while the watch is down nothing rings.
                task = await self._lookup.get(app_id=app_id, task_id=task_id)
                left = begun + seconds - clock()
                if version(task) != begin or left <= 0 or subscription.ended:
                    return task
                await subscription.next(seconds=left)
                request[TRACE].held_seconds = clock() - begun


def status_answer(task: EgressTask, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a task's status, with its ETag."""
    return json_answer(told(task), status=status, headers=status_headers(version(task)))


def not_modified(task: EgressTask) -> web.Response:
    """Return the answer for a caller who holds the status as it is."""
    return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=status_headers(version(task)))


def version(task: EgressTask) -> str:
    """Return what is another one with every change of the task."""
    return task.metadata.resource_version


def wait_of(request: web.Request) -> int:
    """Return the seconds that a caller would wait for a change.

    Raises:
        ProblemError: when `wait` is no duration, or too long a one.
    """
    query = Query(request.query)
    wait = query.one("wait", seconds(LONGEST_WAIT))
    query.check()
    return wait or 0


def _holds(held: frozenset[str], task: EgressTask) -> bool:
    return _ANY in held or version(task) in held
