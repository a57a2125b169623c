"""GET openapi.json and GET docs: the document, and the page that is made of it.

Open to everybody, like the probes: the document says what the software can do, the same in every installation, and
nothing of any app; a browser that opens a page, and a generator that reads a document, bring no credentials.
"""

from typing import Final

from aiohttp import web

from egress_gateway.exchange import PREFIX
from egress_gateway.openapi.document import document, rendered
from egress_gateway.openapi.page import POLICY, page

DOCUMENT_PATH: Final = PREFIX + "/openapi.json"
PAGE_PATH: Final = PREFIX + "/docs"
_FRESH: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
"""An upgraded gateway has another document under the same path."""


class Site:
    """The document and its page; both are made at the first call."""

    def __init__(self) -> None:
        self._document: bytes | None = None
        self._page: bytes | None = None

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [web.get(DOCUMENT_PATH, self.openapi), web.get(PAGE_PATH, self.docs)]

    async def openapi(self, _: web.Request) -> web.Response:
        """Answer `GET /egress/v1/openapi.json`."""
        if self._document is None:
            self._document = rendered().encode()
        return web.Response(body=self._document, content_type="application/json", headers=_FRESH)

    async def docs(self, _: web.Request) -> web.Response:
        """Answer `GET /egress/v1/docs`."""
        if self._page is None:
            self._page = page(document()).encode()
        return web.Response(
            body=self._page,
            content_type="text/html",
            charset="utf-8",
            headers={**_FRESH, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"},
        )
