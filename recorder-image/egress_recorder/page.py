"""How far the page is, from what the capture says: what the recorder's reports tell of it. Pure."""

from egress_api.page import PageReport, Sandbox, Step
from egress_recorder.capture.events import PageSeen, PageStep, PageStepped

_WAITING = "The browser opens the page."


class PageProgress:
    """The page of one attempt; a capture that takes over may tell the same again."""

    def __init__(self) -> None:
        self._report = PageReport()
        self.message: str = _WAITING
        """What is waited for, as a sentence."""

    def note(self, event: PageStepped | PageSeen) -> None:
        """Take in what the capture tells."""
        match event:
            case PageStepped(step=PageStep.LOADED):
                self._set(loaded=_step(event))
                self.message = "The page has loaded; its start rule is not met yet."
            case PageStepped():
                self._set(ready=_step(event))
            case PageSeen():
                if event.sandbox is not None:
                    self._set(sandbox=Sandbox.ON if event.sandbox else Sandbox.OFF)
                if event.http_status is not None:
                    self._set(http_status=event.http_status)
                if event.reloaded:
                    self._set(reloads=self._report.reloads + 1)

    def first_frame(self) -> None:
        """Take note that the page is being recorded."""
        if self._report.first_frame is None:
            self._set(
                first_frame=Step(
                    done=True, reason="FirstFrame", message="The page's first picture is recorded."
                )
            )

    def report(self) -> PageReport:
        """Return what the reports say."""
        return self._report

    def _set(self, **fields: object) -> None:
        self._report = self._report.model_copy(update=fields)


def _step(event: PageStepped) -> Step:
    return Step(done=event.done, reason=event.reason, message=event.message[:500])
