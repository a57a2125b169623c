import json
from typing import Any

import pytest
from pydantic import ValidationError

from egress_gateway.auth.settings import AuthMode
from egress_gateway.settings import Settings


def test_nobody_is_asked_by_default() -> None:
    assert Settings().auth.modes == [AuthMode.NONE]
    assert Settings().auth.open


def test_modes_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "modes": ["apiKeys", "jwt", "kubernetes"],
        "apiKeys": {"folder": "/keys", "reloadSeconds": 1},
        "jwt": {"issuer": "i", "audience": "a", "jwksUrl": "https://id.good.example/keys"},
        "kubernetes": {"audiences": [], "cacheSeconds": 10},
    }
    monkeypatch.setenv("EGRESS_GATEWAY_AUTH", json.dumps(given))
    auth = Settings().auth
    assert not auth.open
    assert str(auth.api_keys.folder) == "/keys"
    assert auth.jwt.jwks_url == "https://id.good.example/keys"
    assert auth.kubernetes.audiences == []


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({"modes": []}, "modes is empty"),
        ({"modes": ["password"]}, "modes.0"),
        ({"modes": ["none", "jwt"]}, "take it out"),
        ({"modes": ["jwt"]}, "mode jwt needs jwt.issuer"),
        ({"modes": ["jwt"], "jwt": {"issuer": "i"}}, "mode jwt needs jwt.audience"),
        ({"modes": ["jwt"], "jwt": {"issuer": "i", "audience": "a"}}, "jwt.jwksUrl or jwt.jwksFile"),
        (
            {
                "modes": ["jwt"],
                "jwt": {"issuer": "i", "audience": "a", "jwksUrl": "https://x", "jwksFile": "/x"},
            },
            "either",
        ),
        ({"jwt": {"jwksUrl": "file:///etc/passwd"}}, "jwt.jwksUrl"),
        ({"jwt": {"leewaySeconds": -1}}, "jwt.leewaySeconds"),
        ({"apiKey": {}}, "apiKey"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(auth: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings.model_validate({"auth": auth})
