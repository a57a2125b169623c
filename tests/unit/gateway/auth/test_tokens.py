"""JWTs against a real provider of keys, made by the test: what is let in, what is not, and when keys are read."""

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_gateway.auth.jwks import Jwks, KeySet
from egress_gateway.auth.settings import JwtSettings
from egress_gateway.auth.tokens import Tokens
from egress_gateway.auth.verdicts import Allowed, Call, Credentials, Forbidden, Undecided, Unknown, Verdict
from support.auth import (
    AUDIENCE,
    ISSUER,
    TASK,
    Provider,
    Signer,
    bearer,
    certificate,
    jwt_settings,
    new_key,
)
from support.gateway import until

DEMO = Call("demo", "get")
SIGNER = Signer()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., Awaitable[Tokens]]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider(SIGNER)
    yield made
    await made.stop()


@pytest.fixture
def make(provider: Provider) -> Make:
    """Make the mode in front of the provider; keywords are settings, but for the clock."""

    async def made(clock: Clock | None = None, **given: Any) -> Tokens:
        settings = jwt_settings(await provider.start(), **given)
        ticks = clock or time.monotonic
        return Tokens(settings, Jwks(settings, clock=ticks), clock=ticks)

    return made


async def verdict(tokens: Tokens, token: str, call: Call = DEMO) -> Verdict:
    return await tokens.check(Credentials(bearer=token), call)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned() -> str:
    return f"{encoded({'alg': 'none', 'kid': 'k1'})}.{SIGNER.token().split('.')[1]}."


def signed_with_the_public_key() -> str:
    """The old trick: the public key, taken for the secret of a symmetric signature."""
    return jwt.encode(
        jwt.decode(SIGNER.token(), options={"verify_signature": False}),
        SIGNER.public["x"] + SIGNER.public["y"],
        algorithm="HS256",
        headers={"kid": "k1"},
    )


def tampered() -> str:
    head, _, signature = SIGNER.token().split(".")
    _, payload, _ = SIGNER.token(app_id="other").split(".")
    return f"{head}.{payload}.{signature}"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "RS512", "PS256", "EdDSA"])
@pytest.mark.parametrize("shown", ["with its algorithm", "without"])
async def test_a_token_of_the_issuer_is_for_its_app(algorithm: str, shown: str, tmp_path: Path) -> None:
    signer = Signer(algorithm, says_algorithm=shown != "without")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [signer.public]}))
    settings = jwt_settings(jwks_file=file)
    tokens = Tokens(settings, Jwks(settings))
    assert await verdict(tokens, signer.token()) == Allowed("jwt:alice")
    assert isinstance(await verdict(tokens, signer.token(), Call("other", "get")), Forbidden)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (SIGNER.token(exp=time.time() - 60), "has expired"),
        (SIGNER.token(exp=None), "no claim exp"),
        (SIGNER.token(nbf=time.time() + 3600), "not valid yet"),
        (SIGNER.token(iat=time.time() + 3600), "not valid yet"),
        (SIGNER.token(aud="another"), f"not for {AUDIENCE}"),
        (SIGNER.token(aud=None), "no claim aud"),
        (SIGNER.token(iss="https://evil.example"), f"not one of {ISSUER}"),
        (SIGNER.token(iss=None), f"not one of {ISSUER}"),
        (SIGNER.token(iss=[ISSUER]), f"not one of {ISSUER}"),
        (SIGNER.token(exp="soon"), "not valid"),
        (SIGNER.token(exp=float("inf")), "not valid"),
        (Signer().token(), "signature"),
        (Signer("RS256").token(), "does not show"),
        (SIGNER.token(headers={"kid": "k2"}), "does not show"),
        (SIGNER.token(headers={"kid": "../../etc/passwd"}), "does not show"),
        (unsigned(), "not signed with a public key"),
        (signed_with_the_public_key(), "not signed with a public key"),
        (tampered(), "signature"),
        ("a.b.c", "not a JWT"),
        ("nothing", "not a JWT"),
        (f"{encoded({'alg': []})}.{encoded({'iss': ISSUER})}.", "not signed with a public key"),
        (f"{encoded({'alg': 'ES256', 'kid': 7})}.{encoded({'iss': ISSUER})}.", "not a JWT"),
        (f"{encoded([])}.{encoded([])}.", "not a JWT"),
        ("[" * 4000 + ".." , "not a JWT"),
    ],
)  # fmt: skip
async def test_a_token_that_is_not_in_order_is_refused_with_its_reason(
    make: Make, token: str, says: str
) -> None:
    found = await verdict(await make(), token)
    assert isinstance(found, Unknown)
    assert found.detail is not None
    assert says in found.detail


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=9,
    ),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "jwk"]), st.none() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
    ),
)  # fmt: skip
async def test_no_made_up_token_is_let_in_or_breaks_anything(claims: Any, header: dict[str, Any]) -> None:
    settings = jwt_settings(jwks_file=Path("/nowhere"))
    tokens = Tokens(settings, Jwks(settings))
    for payload in (claims, {"iss": ISSUER, "exp": claims, "aud": claims}):
        for algorithm in (header, {**header, "alg": "ES256"}):
            found = await verdict(tokens, f"{encoded(algorithm)}.{encoded(payload)}.AAAA")
            assert isinstance(found, Unknown | Undecided)


async def test_clocks_may_differ_a_little(make: Make) -> None:
    tokens = await make(leeway_seconds=30)
    now = time.time()
    assert isinstance(await verdict(tokens, SIGNER.token(exp=now - 20)), Allowed)
    assert isinstance(await verdict(tokens, SIGNER.token(nbf=now + 20, iat=now + 20)), Allowed)
    assert isinstance(await verdict(tokens, SIGNER.token(exp=now - 40)), Unknown)


async def test_a_token_that_was_checked_is_not_taken_beyond_its_end(make: Make) -> None:
    clock = Clock()
    tokens = await make(clock, leeway_seconds=0)
    token = SIGNER.token(exp=time.time() + 30)
    assert isinstance(await verdict(tokens, token), Allowed)
    assert next(iter(tokens._callers._kept.values()))[0] <= clock.now + 30


async def test_a_token_is_checked_once_for_many_calls_and_again_with_new_keys(
    make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    verified = Tokens._verified
    monkeypatch.setattr(Tokens, "_verified", lambda *given: checks.append(1) or verified(*given))
    clock = Clock()
    tokens = await make(clock)
    token = SIGNER.token(app_id=["demo", "other"])
    for _ in range(5):
        assert isinstance(await verdict(tokens, token), Allowed)
        assert isinstance(await verdict(tokens, token, Call("third", "get")), Forbidden)
    assert len(checks) == 1
    clock.now += 60
    await verdict(tokens, token)
    assert len(checks) == 2
    provider.shown = [Signer(key_id="k2").public]
    clock.now += 10
    await verdict(tokens, SIGNER.token(headers={"kid": "k9"}))  # has the keys read again
    assert isinstance(await verdict(tokens, token), Unknown)


@pytest.mark.parametrize("end", [str(int(time.time()) + 86_400), 10**400], ids=["text", "far away"])
async def test_ends_are_read_as_far_as_they_are_numbers(make: Make, end: Any) -> None:
    token = SIGNER.token(exp=end)
    assert isinstance(await verdict(await make(), token), Allowed)


async def test_one_of_several_audiences_is_enough(make: Make) -> None:
    assert isinstance(await verdict(await make(), SIGNER.token(aud=["x", AUDIENCE])), Allowed)


@pytest.mark.parametrize(
    ("claim", "claims", "kind"),
    [
        ("app_id", {"app_id": "demo"}, Allowed),
        ("app_id", {"app_id": ["other", "demo"]}, Allowed),
        ("app_id", {"app_id": "other demo"}, Allowed),
        ("app_id", {"app_id": "*"}, Allowed),
        ("app_id", {"app_id": "demo2"}, Forbidden),
        ("app_id", {"app_id": []}, Forbidden),
        ("app_id", {"app_id": 7}, Forbidden),
        ("app_id", {"app_id": [["demo"]]}, Forbidden),
        ("app_id", {"app_id": {"demo": True}}, Forbidden),
        ("app_id", {"app_id": None}, Forbidden),
        ("resource_access.egress.apps", {"resource_access": {"egress": {"apps": ["demo"]}}}, Allowed),
        ("resource_access.egress.apps", {"resource_access": "demo"}, Forbidden),
        ("https://egress.example/apps", {"https://egress.example/apps": ["demo"]}, Allowed),
    ],
)
async def test_a_claim_names_the_apps(
    make: Make, claim: str, claims: dict[str, Any], kind: type[Verdict]
) -> None:
    found = await verdict(await make(apps_claim=claim), SIGNER.token(**claims))
    assert isinstance(found, kind)


async def test_keys_are_read_once_for_many_tokens(make: Make, provider: Provider) -> None:
    tokens = await make()
    for _ in range(5):
        assert isinstance(await verdict(tokens, SIGNER.token()), Allowed)
    assert provider.reads == 1


async def test_a_new_key_is_found_when_a_token_names_it(make: Make, provider: Provider) -> None:
    clock = Clock()
    tokens = await make(clock, retry_seconds=10)
    await verdict(tokens, SIGNER.token())
    new = Signer(key_id="k2")
    provider.shown.append(new.public)
    clock.now += 10
    assert isinstance(await verdict(tokens, new.token()), Allowed)
    assert provider.reads == 2


async def test_made_up_keys_do_not_have_the_provider_asked_again_and_again(
    make: Make, provider: Provider
) -> None:
    clock = Clock()
    tokens = await make(clock, retry_seconds=10)
    for number in range(50):
        assert isinstance(await verdict(tokens, SIGNER.token(headers={"kid": f"x{number}"})), Unknown)
        clock.now += 0.1
    assert provider.reads == 1


async def test_a_foreign_token_does_not_have_the_provider_asked(make: Make, provider: Provider) -> None:
    await verdict(await make(), SIGNER.token(iss="https://kubernetes.default.svc"))
    assert provider.reads == 0


async def test_an_api_key_is_not_taken_for_a_token(make: Make) -> None:
    assert await verdict(await make(), new_key()) == Unknown(None)


async def test_while_keys_cannot_be_read_nobody_can_tell(make: Make, provider: Provider) -> None:
    clock = Clock()
    tokens = await make(clock, retry_seconds=10)
    provider.status = 500
    found = await verdict(tokens, SIGNER.token())
    assert isinstance(found, Undecided)
    assert "/keys can't be read: the answer is 500" in found.reason
    provider.status = 200
    clock.now += 10
    assert isinstance(await verdict(tokens, SIGNER.token()), Allowed)


async def test_an_outage_of_the_provider_is_survived_for_a_while(make: Make, provider: Provider) -> None:
    clock = Clock()
    tokens = await make(clock, keep_seconds=3600)
    await verdict(tokens, SIGNER.token())
    provider.status = 503
    clock.now += 3600
    assert isinstance(await verdict(tokens, SIGNER.token()), Allowed)
    clock.now += 1
    assert isinstance(await verdict(tokens, SIGNER.token()), Undecided)


async def test_an_issuer_with_a_ca_of_its_own_is_trusted_where_that_ca_is_given(
    provider: Provider, tmp_path: Path
) -> None:
    ca, tls = certificate(tmp_path)
    url = await provider.start(tls)
    for ca_file, kind in ((None, Undecided), (ca, Allowed)):
        settings = jwt_settings(url, ca_file=ca_file)
        assert isinstance(await verdict(Tokens(settings, Jwks(settings)), SIGNER.token()), kind)


async def test_keys_elsewhere_are_not_followed(make: Make, provider: Provider) -> None:
    tokens = await make()
    provider.status = 302
    found = await verdict(tokens, SIGNER.token())
    assert isinstance(found, Undecided)
    assert "the answer is 302" in found.reason


async def test_a_large_key_set_is_read_whole_and_one_without_end_is_not(
    make: Make, provider: Provider
) -> None:
    provider.shown.insert(0, {"x": "y" * 700_000})
    assert isinstance(await verdict(await make(), SIGNER.token()), Allowed)
    provider.shown.append({"x": "y" * 700_000})
    await provider.stop()
    found = await verdict(await make(), SIGNER.token())
    assert isinstance(found, Undecided)
    assert "larger than" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7, {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "!", "y": 1}]}',
        b'{"keys": [{"kty": "oct", "kid": "k1", "alg": "HS256", "k": "c2VjcmV0"}]}',
        b'{"keys": [{"kty": "EC", "alg": "none"}]}',
        b'{"keys": [{"kty": "EC", "alg": []}]}',
        json.dumps({"keys": [{**SIGNER.public, "use": "enc"}]}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_key_set_without_a_public_key_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        KeySet.read(text)


def test_a_bad_key_does_not_take_the_others_along() -> None:
    keys = KeySet.read(json.dumps({"keys": [{"kty": "EC", "kid": "bad"}, SIGNER.public]}).encode())
    assert keys.find("k1", "ES256") is not None
    assert keys.find("bad", "ES256") is None


def test_a_token_that_names_no_key_gets_the_only_one() -> None:
    one = KeySet.read(json.dumps({"keys": [SIGNER.public]}).encode())
    two = KeySet.read(json.dumps({"keys": [SIGNER.public, Signer(key_id="k2").public]}).encode())
    assert one.find(None, "ES256") is not None
    assert two.find(None, "ES256") is None


async def test_a_gateway_reads_keys_by_itself_and_lets_callers_in(
    make_gateway: Any, provider: Provider
) -> None:
    settings = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwksUrl": await provider.start(),
        "refreshSeconds": 0.02,
    }
    gateway = await make_gateway(auth={"modes": ["jwt"], "jwt": settings})

    async def read_again() -> bool:
        return provider.reads > 2

    await until("the keys are read again", read_again)
    assert (await gateway.get(TASK, headers=bearer(SIGNER.token()))).status == 503  # there is no API server
    other = await gateway.get("/egress/v1/other/tasks/t1", headers=bearer(SIGNER.token()))
    assert (other.status, (await other.json())["type"][-9:]) == (403, "forbidden")
    expired = await gateway.get(TASK, headers=bearer(SIGNER.token(exp=1)))
    assert (await expired.json())["detail"].startswith(
        "The token has expired: get a new one. Send Authorization"
    )
    # A withdrawn key holds no longer once that has been read.
    provider.shown = [Signer(key_id="k2").public]

    async def withdrawn() -> bool:
        return (await gateway.get(TASK, headers=bearer(SIGNER.token()))).status == 401

    await until("the withdrawn key is forgotten", withdrawn)


async def test_a_gateway_whose_provider_is_down_says_so_and_when_to_come_again(
    make_gateway: Any, nowhere: str
) -> None:
    settings = JwtSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=f"{nowhere}/keys")
    gateway = await make_gateway(
        auth={"modes": ["jwt"], "jwt": settings.model_dump(by_alias=True, mode="json")}
    )
    answer = await gateway.get(TASK, headers=bearer(SIGNER.token()))
    problem = await answer.json()
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:auth-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert nowhere not in problem["detail"]
