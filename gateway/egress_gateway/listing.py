"""Lists of an app's tasks: a query in, one page out, from the watch cache alone.

A cursor is the place of the last task on a page, so that the next page begins right behind it whatever has come
and gone meanwhile: each task that is there from the first page to the last is listed once. It carries no filter;
a caller who changes the filter on the way gets what the new one lets through from there on.
"""

import base64
import binascii
import math
import re
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from aiohttp import web
from multidict import MultiMapping
from pydantic import TypeAdapter

from egress_api.media import Layout
from egress_api.rest import told_state
from egress_api.spec import Channel
from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway.cache import TaskCache
from egress_gateway.exchange import PREFIX, app_id_of, json_answer, told
from egress_gateway.index import Place, place
from egress_gateway.query import Query, fitting, moment, whole, word
from egress_gateway.refusals import stale_problem

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
"""12 ms of the event loop's time, in which nobody else is answered."""
PARAMETERS: Final = ("status", "layout", "channel", "created_after", "created_before", "limit", "cursor")

_CHANNEL: TypeAdapter[str] = TypeAdapter(Channel)
_PLACE: Final = re.compile(r"(\d{1,12})\.([a-z0-9][a-z0-9.-]{0,252})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is to show; an empty filter lets everything through."""

    states: frozenset[State] = frozenset()
    layouts: frozenset[Layout] = frozenset()
    channels: frozenset[str] = frozenset()
    created_after: datetime | None = None
    created_before: datetime | None = None
    limit: int = DEFAULT_LIMIT
    behind: Place | None = None

    @classmethod
    def of(cls, given: MultiMapping[str]) -> "Wanted":
        """Return what a query asks for.

        Raises:
            ProblemError: naming each parameter that is wrong.
        """
        query = Query(given)
        query.only(PARAMETERS)
        wanted = cls(
            states=query.any_of("status", word(State)),
            layouts=query.any_of("layout", word(Layout)),
            channels=query.any_of("channel", fitting(_CHANNEL)),
            created_after=query.one("created_after", moment),
            created_before=query.one("created_before", moment),
            limit=query.one("limit", whole(1, MAX_LIMIT)) or DEFAULT_LIMIT,
            behind=query.one("cursor", read_cursor),
        )
        query.check()
        return wanted

    def lets_through(self, task: EgressTask) -> bool:
        """Tell whether a task is to be listed, times apart."""
        spec = task.spec
        return (
            (not self.states or told_state(task) in self.states)
            and (not self.layouts or spec.layout in self.layouts)
            and (not self.channels or spec.channel in self.channels)
        )


class Listing:
    """The list call."""

    def __init__(self, cache: TaskCache) -> None:
        self._cache = cache

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [web.get(PREFIX + "/{app_id}/tasks", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer `GET /egress/v1/{app_id}/tasks`."""
        app_id = app_id_of(request)
        wanted = Wanted.of(request.query)
        if not self._cache.fresh:
            raise stale_problem("the tasks can't be listed")
        tasks, cursor = page(self._cache, wanted, app_id=app_id)
        # Written by hand: each task is as the status call has it, with absent fields, and the cursor a null.
        next_cursor = b"null" if cursor is None else b'"%s"' % cursor.encode()
        content = b'{"tasks":[%s],"next_cursor":%s}' % (b",".join(map(told, tasks)), next_cursor)
        return json_answer(content, headers={"Cache-Control": "no-store"})


def page(cache: TaskCache, wanted: Wanted, *, app_id: str) -> tuple[list[EgressTask], str | None]:
    """Return one page, and the cursor of the next if there is one."""
    bounds = [wanted.behind] if wanted.behind is not None else []
    if wanted.created_before is not None:
        bounds.append(_first_from(wanted.created_before))
    oldest = Place(0, "") if wanted.created_after is None else _first_from(wanted.created_after)
    found: list[EgressTask] = []
    for task in cache.newest(app_id, before=min(bounds, default=None)):
        if place(task) < oldest:
            break
        if wanted.lets_through(task):
            found.append(task)
            if len(found) > wanted.limit:  # one more, to know whether there is another page
                break
    shown = list(islice(found, wanted.limit))
    return shown, write_cursor(place(shown[-1])) if len(found) > len(shown) else None


def write_cursor(last: Place) -> str:
    """Return the cursor of the page behind a task."""
    return base64.urlsafe_b64encode(f"{last.created}.{last.name}".encode()).decode().rstrip("=")


def read_cursor(value: str) -> Place:
    """Return the place at which the page before ended."""
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    read = _PLACE.fullmatch(text)
    if read is None:
        raise ValueError("is no cursor of a list: give the last answer's next_cursor as it stands there")
    return Place(int(read[1]), read[2])


def _first_from(moment: datetime) -> Place:
    # Tasks are created at whole seconds.
    return Place(math.ceil(moment.timestamp()), "")
