"""Changes of tasks as they happen, as server-sent events (the HTML standard's text/event-stream).

In: a task or an app, and the id of the event that a caller has seen last. Out: a stream of statuses, each with
its resourceVersion as id, in ascending order, so that whoever comes back misses nothing. A stream holds no more
than a bound for a reader that is too slow: it is cut, and goes on where it was when the reader comes back.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from egress_gateway.cache import TaskCache
from egress_gateway.changes import Change, Subscription
from egress_gateway.exchange import PREFIX, app_id_of, task_id_of
from egress_gateway.logs import get_logger
from egress_gateway.lookup import Lookup
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE, sign
from egress_gateway.refusals import stale_problem

KEEP_ALIVE_SECONDS: float = 15
"""Under the patience of proxies, which end what is silent for 30 or 60 s."""
WRITE_SECONDS: float = 20
"""In which a reader must have made room for what is to be sent next."""

_ID: Final = re.compile(r"[0-9]{1,20}")
_RETRY: Final = b"retry: 2000\n\n"
_KEEP_ALIVE: Final = b": keep-alive\n\n"
_BATCH: Final = 50
"""Statuses that are made at one go, some 1.5 ms: others are answered in between."""

log = get_logger(__name__)


class Events:
    """The two streams."""

    def __init__(self, lookup: Lookup, cache: TaskCache, *, metrics: Metrics) -> None:
        self._lookup = lookup
        self._cache = cache
        self._metrics = metrics

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [
            web.get(PREFIX + "/{app_id}/events", self.of_app, allow_head=False),
            web.get(PREFIX + "/{app_id}/tasks/{task_id}/events", self.of_task, allow_head=False),
        ]

    async def of_task(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /egress/v1/{app_id}/tasks/{task_id}/events`."""
        app_id, task_id = app_id_of(request), task_id_of(request)
        last, changes = _last_event_id(request), self._cache.changes
        with changes.subscription(app_id=app_id, name=task_id) as subscription:
            present = Change.to(await self._lookup.get(app_id=app_id, task_id=task_id))
            if present.final and last == present.version:
                # The one answer after which an EventSource does not come back.
                return web.Response(status=HTTPStatus.NO_CONTENT)
            past = None
            if last is not None and last <= present.version:
                past = changes.since(last, app_id=app_id, name=task_id)
            begin = [present] if past is None or last is None else _completed(past, last, present)
            with self._metrics.held_requests.labels("task-events").track_inprogress():
                return await self._stream(request, subscription, begin, is_last=lambda change: change.final)

    async def of_app(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /egress/v1/{app_id}/events`."""
        app_id = app_id_of(request)
        if not self._cache.fresh:
            raise stale_problem("the tasks' changes can't be told")
        with (
            self._cache.changes.subscription(app_id=app_id) as subscription,
            self._metrics.held_requests.labels("app-events").track_inprogress(),
        ):
            begin = self._begin(app_id, _last_event_id(request))
            return await self._stream(request, subscription, begin, is_last=lambda _: False)

    def _begin(self, app_id: str, last: int | None) -> list[Change]:
        """Return what has changed since the last event; to who has seen none, the tasks that have not ended."""
        past = None
        if last is not None and last <= self._cache.seen:
            past = self._cache.changes.since(last, app_id=app_id)
        if past is not None:
            return past
        # Our own writes that the watch has yet to tell are left to it: ids never go down.
        known = [
            change
            for change in map(Change.to, self._cache.newest(app_id))
            if change.version <= self._cache.seen
        ]
        if last is None or last > self._cache.seen:
            known = [change for change in known if not change.final]
        else:
            known = [change for change in known if change.version > last]
        return sorted(known, key=lambda change: change.version)

    async def _stream(
        self,
        request: web.Request,
        subscription: Subscription,
        begin: Sequence[Change],
        *,
        is_last: Callable[[Change], bool],
    ) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        begun = clock()
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.force_close()  # who comes back after a shutdown is to reach another gateway
        sign(request, response)
        try:
            await response.prepare(request)
            await self._feed(response, subscription, begin, is_last=is_last)
        except TimeoutError:
            self._cut(request)
        except ConnectionError:
            pass  # the reader has gone
        finally:
            request[TRACE].held_seconds = clock() - begun
        return response

    async def _feed(
        self,
        response: web.StreamResponse,
        subscription: Subscription,
        begin: Sequence[Change],
        *,
        is_last: Callable[[Change], bool],
    ) -> None:
        """Write until nothing more is to come.

        Raises:
            TimeoutError: when the reader is too slow.
            ConnectionError: when it has gone.
        """
        await _write(response, _RETRY)
        sent = 0
        for start in range(0, len(begin), _BATCH):
            batch = begin[start : start + _BATCH]
            await _write(response, _frames(batch))
            sent = batch[-1].version
            if any(map(is_last, batch)):
                return
            await asyncio.sleep(0)  # a write returns at once while there is room
        while True:
            changes = await subscription.next(seconds=KEEP_ALIVE_SECONDS)
            if subscription.overrun:
                raise TimeoutError
            news = [change for change in changes if change.version > sent]
            if not news and subscription.ended:
                return
            await _write(response, _frames(news) or _KEEP_ALIVE)
            if news:
                sent = news[-1].version
            if any(map(is_last, news)):
                return

    def _cut(self, request: web.Request) -> None:
        self._metrics.slow_readers.inc()
        trace = request[TRACE]
        log.warning(
            "a stream is cut: its reader is too slow",
            request_id=trace.request_id,
            app_id=trace.app_id,
            task_id=trace.task_id,
            remote=request.remote,
        )
        if request.transport is not None:
            request.transport.abort()


async def _write(response: web.StreamResponse, content: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(content)


def _frames(changes: Iterable[Change]) -> bytes:
    return b"".join(map(_frame, changes))


def _frame(change: Change) -> bytes:
    if change.status is None:
        return b'id: %d\nevent: gone\ndata: {"task_id":"%s"}\n\n' % (change.version, change.name.encode())
    return b"id: %d\nevent: status\ndata: %s\n\n" % (change.version, change.status)


def _completed(past: list[Change], last: int, present: Change) -> list[Change]:
    """Return the past up to the present, which the watch may have yet to tell."""
    newest = past[-1].version if past else last
    return [*past, present] if newest < present.version else past


def _last_event_id(request: web.Request) -> int | None:
    given = request.headers.get("Last-Event-ID", "")
    # What is no id of ours is no id at all: the stream then begins with the present.
    return int(given) if _ID.fullmatch(given) else None
