"""The demo's web server as tests use it: addresses of pages, and what pages told it while they were recorded.

In: a page and what is in its query. Out: a URL for a task, and the page's own reports. A run is one recording: its
reports are told apart by `run=`. The server is reached through the API server, so nothing has to be published.
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from support import demo
from support.e2e import until
from support.kubectl import Kubectl
from support.publishers import Person, user

ORIGIN = "http://pages.egress-demo"
SERVICE = f"/api/v1/namespaces/{demo.NAMESPACE}/services/pages:http/proxy"

PAGE: Person = user("page", hue=120, tone=440, size="1280x720", fps=30)
"""What clock.js draws and plays, as one of the test people: whoever is found by hue, strip, flash and beep."""
WAITING: Person = user("waiting", hue=300, tone=440, size="1280x720", fps=30)
"""The same before clock.html has asked to be recorded."""
ENDED: Person = user("ended", hue=0, tone=440, size="1280x720", fps=30)
"""clock.html after it has asked not to be recorded any more: the whole window is of this colour."""
STATES = (PAGE, WAITING, ENDED)


@dataclass(frozen=True)
class Run:
    """The pages of one recording."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def url(self, page: str, *, origin: str = ORIGIN, **query: Any) -> str:
        """Give a page's address, as Pods reach it."""
        return f"{origin}/{page}?{urlencode({**query, 'run': self.name})}"

    def reports(self, what: str = "") -> list[dict[str, Any]]:
        """Give what the pages told, the oldest first; `what` keeps one kind."""
        told = self._ask("reports")
        return [one for one in told if not what or one.get("what") == what]

    def report(self, what: str) -> dict[str, Any]:
        """Give the only report of a kind."""
        found = self.reports(what)
        assert len(found) == 1, f"{len(found)} reports of {what!r}; the pages told {self.reports()}"
        return found[0]

    def loaded(self, times: int, *, seconds: float) -> None:
        """Wait until clock.html has been loaded so many times."""
        until(
            f"the page is loaded for the {times}. time",
            lambda: len(self.reports("size")) >= times,
            seconds=seconds,
        )

    def requests(self, path: str) -> list[dict[str, Any]]:
        """Give the requests for a path that had the run in their query."""
        return [one for one in self._ask("log") if one["path"] == path]

    def _ask(self, what: str) -> list[dict[str, Any]]:
        text = Kubectl(namespace=demo.NAMESPACE).run("get", "--raw", f"{SERVICE}/{what}?run={self.name}")
        found: list[dict[str, Any]] = json.loads(text)
        return found
