"""Make the modes that are on, in the order in which they are asked: the cheapest first; and keep them up to date."""

import asyncio

from egress_gateway.auth.api_keys import ApiKeys
from egress_gateway.auth.jwks import Jwks
from egress_gateway.auth.reviews import Reviewer, Reviews
from egress_gateway.auth.settings import AuthMode, AuthSettings
from egress_gateway.auth.tokens import Tokens
from egress_gateway.auth.verdicts import Mode
from egress_gateway.logs import get_logger

_PAUSE_SECONDS = 10

log = get_logger(__name__)


def modes_of(settings: AuthSettings, cluster: Reviewer) -> list[Mode]:
    """Return the modes; none where nobody is asked who they are.

    Raises:
        ConfigError: when one can't work as it is set up.
    """
    modes: list[Mode] = []
    if AuthMode.API_KEYS in settings.modes:
        modes.append(ApiKeys(settings.api_keys))
    if AuthMode.JWT in settings.modes:
        modes.append(Tokens(settings.jwt, Jwks(settings.jwt)))
    if AuthMode.KUBERNETES in settings.modes:
        modes.append(Reviews(settings.kubernetes, cluster))
    return modes


async def keep_following(mode: Mode, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
    """Have a mode follow what it knows, until cancelled; nothing that it meets there ends that for good."""
    while True:
        try:
            await mode.follow()
        except Exception:
            # Keys that silently were never read again would let in who was shut out long ago.
            log.exception("a mode of authentication met something unheard of", mode=mode.name)
            await asyncio.sleep(pause_seconds)
        else:
            return
