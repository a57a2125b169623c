"""A receiver of webhooks on loopback that answers as a test says, and what it has got, verified."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from egress_api.webhooks import WebhookEvent

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
NEWER = "whsec_" + base64.b64encode(b"n" * 32).decode()


def secret_folder(folder: Path, *secrets: str) -> None:
    """Lay signing secrets down as a mounted Secret has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, secret in enumerate(secrets):
        (folder / f"key-{number}").write_text(secret + "\n")


class Receiver:
    """One endpoint."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, bytes]] = []
        """Id and body of every call, answered how ever."""
        self.headers: list[dict[str, str]] = []
        self.taken: list[WebhookEvent] = []
        """What was answered with 2xx."""
        self.unverified: list[str] = []
        self.answers: list[int | Answer] = []
        """For the next calls, in turn; then 204."""
        self.secret = SECRET
        self.headers_of_answers: dict[str, str] = {}

    @property
    def ids(self) -> list[str]:
        return [id_ for id_, _ in self.got]

    @property
    def types(self) -> list[str]:
        return [event.type.value for event in self.taken]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.headers.append(dict(request.headers))
        self.got.append((request.headers["webhook-id"], body))
        answer = self.answers.pop(0) if self.answers else 204
        if not isinstance(answer, int):
            return await answer(request)
        if 200 <= answer < 300:
            return await self.take(request, status=answer)
        return web.Response(status=answer, headers=self.headers_of_answers)

    async def take(self, request: web.Request, *, status: int = 204) -> web.StreamResponse:
        """Verify a call, keep its event and say so."""
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.unverified.append(str(error))
        self.taken.append(WebhookEvent.model_validate_json(body))
        return web.Response(status=status, headers=self.headers_of_answers)

    def bodies(self) -> dict[str, set[bytes]]:
        """Return the bodies that came with each id."""
        found: dict[str, set[bytes]] = {}
        for id_, body in self.got:
            found.setdefault(id_, set()).add(body)
        return found

    def settings(self, folder: Path, **endpoint: Any) -> dict[str, Any]:
        """Return the operator's `webhooks` that lead here."""
        return {"folder": folder, "default": {"url": self.url, "secret": "signing", **endpoint}}


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.add_routes([web.post("/hooks", receiver.handle)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def until(what: str, look: Callable[[], Any], *, seconds: float = 10) -> None:
    """Wait until `look` gives something true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not look():
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not happen in {seconds} s"
        await asyncio.sleep(0.01)
