"""What goes into a mode and what comes out: credentials and a call in, a verdict out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

ALL_APPS: Final = "*"
KEY_PREFIX: Final = "egk_"
"""Of every API key, so that scanners find one that was committed, and no key goes to another mode by mistake."""
_API_KEY = re.compile(rf"{KEY_PREFIX}[A-Za-z0-9_-]{{43}}")
"""256 random bits in base64url: what is shorter, somebody made up."""
_CALLER_LENGTH = 200


@dataclass(frozen=True)
class Credentials:
    """What a request says of who sends it; never shown, not even in a traceback."""

    bearer: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)

    @property
    def given(self) -> bool:
        """True where there is anything to look at."""
        return self.bearer is not None or self.api_key is not None


@dataclass(frozen=True)
class Call:
    """What a caller wants: the app of the path, and Kubernetes' word for the deed."""

    app_id: str
    verb: str


@dataclass(frozen=True)
class Allowed:
    """Go ahead; the log says who it was."""

    caller: str


@dataclass(frozen=True)
class Forbidden:
    """The caller is known, and may not do this."""

    caller: str
    detail: str


@dataclass(frozen=True)
class Unknown:
    """Not one of this mode's callers; no detail where the credentials are not of its kind at all."""

    detail: str | None = None


@dataclass(frozen=True)
class Undecided:
    """It can't be told just now. `detail` is for the caller, `reason` for the log: it may name inner addresses."""

    detail: str
    reason: str


Verdict = Allowed | Forbidden | Unknown | Undecided


class Mode(Protocol):
    """A way to know callers."""

    name: str
    hint: str
    """How to call, behind "send": the end of the sentence that a caller without credentials reads."""

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        """Say whether this mode lets the call through; raises nothing."""
        ...

    async def follow(self) -> None:
        """Keep what the mode knows up to date until cancelled; may return at once."""
        ...


def is_api_key(credential: str) -> bool:
    """Tell whether a credential has the form of an API key."""
    return _API_KEY.fullmatch(credential) is not None


def of_apps(caller: str, apps: Iterable[str], *, call: Call, source: str) -> Allowed | Forbidden:
    """Return the verdict on a caller who is bound to apps.

    Args:
        caller: who it is, for the log.
        apps: app ids, `*` for all.
        call: what they want.
        source: where the apps come from, for the sentence: "the API key alice".
    """
    caller = caller[:_CALLER_LENGTH]
    if {call.app_id, ALL_APPS} & set(apps):
        return Allowed(caller)
    return Forbidden(
        caller,
        f"{source} is not for app {call.app_id}: call an app that it is for, or have the administrator add this one",
    )
