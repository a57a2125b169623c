"""May this page be opened at all: asked before a task is made of it, so that the caller hears no at once.

In: the URL of a start, and its app. Out: nothing, or a ProblemError. The recorder asks the same of every address
that it connects to, and its word counts: the gateway may stand in another network and see other addresses, so a name
that it can't resolve is let through.
"""

import asyncio
import socket

from egress_api.addresses import ForbiddenTarget, PageTarget, check_addresses, check_url
from egress_api.app_rules import AppPageRules
from egress_api.rest import FieldError
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.logs import get_logger
from egress_gateway.metrics import Metrics

_POINTER = "/payload/url"

log = get_logger(__name__)


class PageCheck:
    """The rules of every app, and the names that the gateway can resolve."""

    def __init__(self, rules: AppPageRules, *, resolve_seconds: float, metrics: Metrics) -> None:
        self._rules = rules
        self._resolve_seconds = resolve_seconds
        self._metrics = metrics

    async def check(self, url: str, *, app_id: str) -> None:
        """Return if the page may be opened, as far as can be told from here.

        Raises:
            ProblemError: it may not; the sentence says why, and which rule would allow it.
        """
        rules = self._rules.of(app_id)
        try:
            target = check_url(url, rules)
            addresses = await self._resolve(target)
            if addresses:
                check_addresses(target.host, target.port, addresses, rules)
        except ForbiddenTarget as refused:
            self._metrics.page_checks.labels("refused").inc()
            # The address is the administrator's to know: names inside a network are no caller's business.
            log.info(
                "a page is refused",
                app_id=app_id,
                reason=str(refused),
                address=str(refused.address) if refused.address else None,
            )
            raise ProblemError(
                ProblemKind.PAGE_FORBIDDEN,
                f"the page may not be opened: {refused}",
                errors=[FieldError(pointer=_POINTER, detail=str(refused))],
            ) from refused
        self._metrics.page_checks.labels("allowed" if addresses else "unresolved").inc()

    async def _resolve(self, target: PageTarget) -> list[str]:
        try:
            async with asyncio.timeout(self._resolve_seconds):
                found = await asyncio.get_running_loop().getaddrinfo(
                    target.host, target.port, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            log.info("a page's host can't be resolved here", host=target.host, error=type(error).__name__)
            return []
        return [str(address[0]) for *_, address in found]
