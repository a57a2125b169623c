"""Words about web pages (layout freestyle): when recording begins, where a page may reach, how far it is."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from egress_api.address_entries import check_entry
from egress_api.base import Strict, Tolerant
from egress_api.worded import Worded

START_MARK = "START_RECORDING"
"""What a page logs to be recorded from now on, with `start.when: console`."""
END_MARK = "END_RECORDING"
"""What a page logs to end its recording, with any start rule."""

Selector = Annotated[
    str, Worded(r"^[^\x00-\x1f\x7f]{1,256}$", 256, "must be a CSS selector of at most 256 characters")
]
Port = Annotated[int, Field(ge=1, le=65_535)]
AddressEntry = Annotated[str, Field(min_length=1, max_length=260), AfterValidator(check_entry)]


class StartWhen(StrEnum):
    """What a page has to do before it is recorded."""

    LOAD = "load"
    CONSOLE = "console"
    SELECTOR = "selector"


class OnTimeout(StrEnum):
    """What happens when a page has not done it in time."""

    START = "start"
    FAIL = "fail"


class StartRule(Strict):
    """When the recording of a page begins."""

    when: StartWhen = Field(
        StartWhen.LOAD,
        description="load: the page has loaded and shown something. console: it has logged START_RECORDING. "
        "selector: an element that the selector matches is there.",
    )
    selector: Selector | None = Field(None, description="The CSS selector; with when: selector.")
    timeout_seconds: int = Field(
        30, ge=1, le=300, description="Seconds from the first request within which that must have happened."
    )
    on_timeout: OnTimeout = Field(
        OnTimeout.FAIL,
        description="start: record the page as it is then. fail: end in FAILED PageNotReady.",
    )

    @model_validator(mode="after")
    def _selector_where_needed(self) -> Self:
        # The same rules stand as CEL in rules.py.
        if (self.when is StartWhen.SELECTOR) != (self.selector is not None):
            raise ValueError("start.selector goes with start.when: selector, and with nothing else")
        return self


class PageRules(Tolerant):
    """Where the pages of an app may reach, beside the public internet; checked by addresses.py."""

    allow: list[AddressEntry] = Field(
        default_factory=list,
        description="Hosts (pages.media, or pages.media:8080 for one more port) whose private addresses are allowed, "
        "and networks (10.1.0.0/16) that are allowed whoever is there.",
    )
    deny: list[AddressEntry] = Field(
        default_factory=list, description="Hosts and networks that are refused although they are public."
    )
    ports: list[Port] = Field(
        default_factory=lambda: [80, 443], min_length=1, description="Ports that pages may reach."
    )


class Sandbox(StrEnum):
    """Whether the browser's own sandbox holds: without it, the container alone stands around a page."""

    ON = "on"
    OFF = "off"


class Step(Tolerant):
    """One thing that has to happen before a page is recorded, once it is decided."""

    done: bool = Field(description="Whether it happened.")
    reason: str = Field(description="How it happened, or why it did not: one CamelCase word.", max_length=64)
    message: str = Field("", description="A sentence for people.", max_length=500)


class PageReport(Tolerant):
    """How far a page is: part of the recorder's report; the steps become conditions of the task."""

    sandbox: Sandbox | None = Field(None, description="The browser's own sandbox, once the browser runs.")
    http_status: int | None = Field(None, description="Status code of the page's own answer.")
    reloads: int = Field(0, ge=0, description="How many times the page was loaded again after it had broken.")
    loaded: Step | None = Field(None, description="The page has loaded.")
    ready: Step | None = Field(None, description="The start rule is met.")
    first_frame: Step | None = Field(None, description="The first picture of the page is recorded.")


class PageStatus(Tolerant):
    """What a task's status says of its page; with layout freestyle."""

    sandbox: Sandbox | None = Field(
        None,
        description="on: Chromium's own sandbox holds. off: the node does not allow it, and the container alone "
        "stands between a page that breaks the browser and the recorder (docs/pages.md).",
    )
    http_status: int | None = Field(None, description="Status code of the page's own answer.")
    reloads: int | None = Field(
        None, description="How many times the page was loaded again after it had broken.", ge=0
    )
