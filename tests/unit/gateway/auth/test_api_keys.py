"""Keys from a folder: whom they let in, and what happens as the folder changes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from egress_gateway.auth.api_keys import ApiKeys
from egress_gateway.auth.settings import ApiKeySettings
from egress_gateway.auth.verdicts import Allowed, Call, Credentials, Forbidden, Unknown
from egress_gateway.errors import ConfigError
from support.auth import TASK, bearer, entry, new_key, write_keys
from support.gateway import until

DEMO = Call("demo", "get")


def mode(folder: Path, **settings: Any) -> ApiKeys:
    return ApiKeys(ApiKeySettings(folder=folder, **settings))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


async def test_a_key_is_for_its_apps_and_no_others(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, alice=entry(key, "demo", "other")))
    credentials = Credentials(api_key=key)
    assert await keys.check(credentials, DEMO) == Allowed("apiKeys:alice")
    assert await keys.check(credentials, Call("other", "create")) == Allowed("apiKeys:alice")
    verdict = await keys.check(credentials, Call("third", "get"))
    assert isinstance(verdict, Forbidden)
    assert verdict.detail.startswith("the API key alice is not for app third")


async def test_a_star_is_every_app(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, root=entry(key, "*")))
    assert await keys.check(Credentials(api_key=key), Call("any", "get")) == Allowed("apiKeys:root")
    # The star is an entry of the Secret, never a caller's to say.
    assert isinstance(
        await mode_for(folder, "demo").check(Credentials(api_key=key), Call("*", "get")), Unknown
    )


def mode_for(folder: Path, app: str) -> ApiKeys:
    return mode(write_keys(folder, root=entry(new_key(), app)))


async def test_a_key_may_come_as_a_bearer_token(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, alice=entry(key, "demo")))
    assert await keys.check(Credentials(bearer=key), DEMO) == Allowed("apiKeys:alice")
    # What is no key is another mode's.
    assert await keys.check(Credentials(bearer="eyJ.a.b"), DEMO) == Unknown(None)


@pytest.mark.parametrize(
    ("presented", "says"),
    [
        (new_key(), "not known"),
        ("hunter2", "begin with egk_"),
        ("egk_short", "begin with egk_"),
        (new_key() + "\n", "begin with egk_"),
        ("", "begin with egk_"),
        ("egk_" + "ä" * 43, "begin with egk_"),
    ],
    ids=["another key", "no key", "too short", "a line too many", "nothing", "other letters"],
)
async def test_what_is_not_a_known_key_is_refused_and_not_shown(
    folder: Path, presented: str, says: str
) -> None:
    keys = mode(write_keys(folder, alice=entry(new_key(), "*")))
    verdict = await keys.check(Credentials(api_key=presented), DEMO)
    assert isinstance(verdict, Unknown)
    assert verdict.detail is not None
    assert says in verdict.detail
    assert not presented or presented not in verdict.detail


async def test_a_hash_is_not_a_key(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, alice=entry(key, "*")))
    stolen = entry(key, "*").partition("sha256:")[2][:64]
    for presented in (stolen, f"sha256:{stolen}"):
        assert isinstance(await keys.check(Credentials(api_key=presented), DEMO), Unknown)


async def test_keys_come_and_go_as_the_secret_changes(folder: Path) -> None:
    first, second = new_key(), new_key()
    keys = mode(write_keys(folder, alice=entry(first, "demo")))
    write_keys(folder, bob=entry(second, "demo"))
    keys.reload()
    assert isinstance(await keys.check(Credentials(api_key=first), DEMO), Unknown)
    assert await keys.check(Credentials(api_key=second), DEMO) == Allowed("apiKeys:bob")
    write_keys(folder, bob=entry(second, "other"))
    keys.reload()
    assert isinstance(await keys.check(Credentials(api_key=second), DEMO), Forbidden)


async def test_a_running_gateway_takes_a_new_key_without_a_restart(folder: Path, make_gateway: Any) -> None:
    old, new = new_key(), new_key()
    write_keys(folder, old=entry(old, "demo"))
    settings = {"modes": ["apiKeys"], "apiKeys": {"folder": str(folder), "reloadSeconds": 0.02}}
    gateway = await make_gateway(auth=settings)
    assert (await gateway.get(TASK, headers=bearer(new))).status == 401
    write_keys(folder, new=entry(new, "demo"))

    async def taken() -> bool:
        return (await gateway.get(TASK, headers=bearer(new))).status == 503  # let in; there is no API server

    await until("the new key is taken", taken)
    assert (await gateway.get(TASK, headers=bearer(old))).status == 401


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "hunter2",
        '{"hash": "sha256:abc", "apps": ["demo"]}',
        '{"hash": "md5:' + "0" * 64 + '", "apps": ["demo"]}',
        '{"hash": "sha256:' + "0" * 64 + '", "apps": []}',
        '{"hash": "sha256:' + "0" * 64 + '", "apps": ["de mo"]}',
        '{"hash": "sha256:' + "0" * 64 + '", "apps": "demo"}',
        '{"hash": "sha256:' + "0" * 64 + '", "apps": ["demo"], "app": 1}',
    ],
)
async def test_an_entry_that_is_wrong_is_named_and_the_others_hold(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key()
    keys = mode(write_keys(folder, broken=text, good=entry(key, "demo")))
    assert await keys.check(Credentials(api_key=key), DEMO) == Allowed("apiKeys:good")
    written = capsys.readouterr().out + caplog.text
    assert "broken" in written
    assert "hunter2" not in written


async def test_the_same_key_twice_is_the_first_ones(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, a=entry(key, "demo"), b=entry(key, "other")))
    assert await keys.check(Credentials(api_key=key), DEMO) == Allowed("apiKeys:a")
    assert isinstance(await keys.check(Credentials(api_key=key), Call("other", "get")), Forbidden)


async def test_a_folder_that_is_gone_for_a_while_takes_no_key_away(folder: Path) -> None:
    key = new_key()
    keys = mode(write_keys(folder, alice=entry(key, "demo")))
    await asyncio.to_thread(folder.rename, folder.with_name("away"))
    keys.reload()
    assert await keys.check(Credentials(api_key=key), DEMO) == Allowed("apiKeys:alice")


def test_without_a_folder_it_does_not_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match="mount the Secret with the keys"):
        mode(folder)
