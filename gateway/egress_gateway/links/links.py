"""Links to a task's files in an answer to a status call, for a caller who asks for them with `links=true`.

In: the answer without links. Out: the same with them, signed just now by the gateway's keys of the store; they are never
kept and never logged, for who has a link has the file. Only what lies in the task's own folder is linked to, whatever its
status names: that came from the recorder of a page.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import obstore
from aiohttp import web
from obstore import exceptions

from egress_api import store_answers
from egress_api.constants import MANIFEST_NAME
from egress_api.rest import Links, StatusAnswer
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.exchange import dumped, json_answer
from egress_gateway.links.settings import LinksSettings
from egress_gateway.logs import get_logger
from egress_gateway.query import Query, yes_or_no
from egress_gateway.stores import OpenedStores

_HEADERS: Final = {"Cache-Control": "no-store, private"}
_RETRY_SECONDS: Final = 2

log = get_logger(__name__)


class LinkSigner:
    """Signs links, or refuses to where they are off."""

    def __init__(
        self,
        settings: LinksSettings,
        *,
        namespace: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._stores = OpenedStores(settings, seconds=settings.timeout_seconds)
        self._namespace = namespace
        self._clock = clock

    def asked(self, request: web.Request) -> bool:
        """Say whether a caller wants links.

        Raises:
            ProblemError: when `links` is neither true nor false, or there are none here.
        """
        query = Query(request.query)
        wanted = query.one("links", yes_or_no)
        query.check()
        if wanted and not self._settings.url:
            query.wrong("links", "there are none here: gateway.links.enabled is not set")
            query.check()
        return bool(wanted)

    async def add(self, response: web.Response, *, app_id: str) -> web.Response:
        """Return the answer to a status call with links; one without content is returned as it is.

        Raises:
            ProblemError: when they can't be signed.
        """
        if not isinstance(response.body, bytes) or not response.body:
            return response
        answer = StatusAnswer.model_validate_json(response.body)
        expires = self._clock() + timedelta(seconds=self._settings.ttl_seconds)
        files = await self._signed(answer, app_id=app_id)
        linked = answer.model_copy(update={"links": Links(expires_at=expires, files=files)})
        # Without an ETag: the links are others each time, and whoever keeps the answer keeps keys.
        made = json_answer(dumped(linked), headers=_HEADERS)
        if response.keep_alive is False:
            made.force_close()
        return made

    async def _signed(self, answer: StatusAnswer, *, app_id: str) -> dict[str, str]:
        store, paths = self._stores.of(app_id), self._paths(answer, app_id=app_id)
        if not paths:
            return {}
        ttl = timedelta(seconds=self._settings.ttl_seconds)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                urls = await obstore.sign_async(store.client(), "GET", list(paths.values()), ttl)
        except TimeoutError:
            raise self._failed(
                f"it was not done within {self._settings.timeout_seconds:g} s", answer
            ) from None
        except (exceptions.BaseError, OSError, ValueError, TypeError) as error:
            raise self._failed(store_answers.first_line(error), answer) from None
        except BaseException as error:
            # pyo3 raises a panic of the Rust below as no Exception.
            if type(error).__name__ != "PanicException":
                raise
            raise self._failed("the store's client failed", answer) from None
        return dict(zip(paths, urls, strict=True))

    def _paths(self, answer: StatusAnswer, *, app_id: str) -> dict[str, str]:
        """Return the paths below the store's URL of what may be linked to, by name."""
        placement = answer.payload.placement
        folder = self._settings.folder_of(
            app_id=app_id,
            task_id=answer.task_id,
            namespace=self._namespace,
            region=placement.region if placement else None,
        )
        told = {file.name: file.uri for file in answer.outputs} | {MANIFEST_NAME: answer.manifest_uri}
        store = self._stores.of(app_id)
        return {
            name: f"{folder}/{name}"
            for name, uri in told.items()
            if uri == f"{store.url}/{folder}/{name}" and not {"", ".", ".."} & set(name.split("/"))
        }

    def _failed(self, why: str, answer: StatusAnswer) -> ProblemError:
        log.warning("links can't be signed", task_id=answer.task_id, error=why)
        return ProblemError(
            ProblemKind.STORE_UNAVAILABLE,
            f"the links to the files of task {answer.task_id} can't be signed just now; the gateway's log says why. Send "
            "the same request again, or without links.",
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )
