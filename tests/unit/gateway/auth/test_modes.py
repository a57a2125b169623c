from pathlib import Path

import pytest

from egress_gateway.auth.modes import keep_following, modes_of
from egress_gateway.auth.settings import AuthSettings
from egress_gateway.auth.verdicts import Call, Credentials, Unknown, Verdict


class Reviewer:
    namespace = "tasks"

    async def create_review(self, path: str, resource: dict[str, object]) -> dict[str, object]:
        raise AssertionError


class Breaking:
    """A mode that breaks twice."""

    name = hint = "breaking"
    left = 2

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        return Unknown()

    async def follow(self) -> None:
        if self.left:
            self.left -= 1
            raise RuntimeError


def test_no_mode_is_none() -> None:
    assert modes_of(AuthSettings(), Reviewer()) == []


def test_the_cheapest_is_asked_first(tmp_path: Path) -> None:
    settings = AuthSettings.model_validate(
        {
            "modes": ["kubernetes", "jwt", "apiKeys"],
            "apiKeys": {"folder": str(tmp_path)},
            "jwt": {"issuer": "i", "audience": "a", "jwksFile": "/x"},
        }
    )
    assert [mode.name for mode in modes_of(settings, Reviewer())] == ["apiKeys", "jwt", "kubernetes"]


async def test_a_mode_that_breaks_is_followed_on(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    mode = Breaking()
    await keep_following(mode, pause_seconds=0)
    assert mode.left == 0
    assert (capsys.readouterr().out + caplog.text).count("something unheard of") >= 2
