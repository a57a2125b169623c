"""Links in answers to status calls: they open the files, of the task's own folder alone, and are told to nobody else."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp.test_utils import TestClient
from pydantic import ValidationError

from egress_api.recorder import StoreConfig
from egress_gateway.links.settings import LinksSettings
from egress_recorder.store import Store
from support import gcs_double
from support.gateway_tasks import cache_of, made
from support.history import TASK
from support.store_backends import SIGNED, Backend

Client = TestClient[Any, Any]
Logs = Callable[[], list[dict[str, Any]]]
PATH = f"/egress/v1/demo/tasks/{TASK}"


class Place:
    """A store with a prefix, as recorders write to it and as the gateway is told of it."""

    def __init__(self, backend: Backend, tmp_path: Path) -> None:
        backend.write_credentials(tmp_path / "keys")
        config = backend.config(backend.port)
        self.url = config.url.rstrip("/")
        self.settings = {"url": self.url, "options": config.options, "credentialsDir": str(tmp_path / "keys")}
        self._store = Store(
            StoreConfig(url=config.url, options=config.options), credentials_dir=tmp_path / "keys"
        )

    async def keep(self, content: bytes, name: str, *, folder: str = f"demo/{TASK}") -> str:
        await self._store.put(f"{folder}/{name}", content, content_type="text/plain")
        return f"{self.url}/{folder}/{name}"


@pytest.fixture
def place(backend: Backend, tmp_path: Path) -> Place:
    return Place(backend, tmp_path)


def output(uri: str, name: str = "out.m3u8") -> dict[str, Any]:
    return {"name": name, "uri": uri, "kind": "playlist", "sizeBytes": 7}


def tell(client: Client, *files: dict[str, Any], **more: Any) -> None:
    """Have the cluster tell of the task with these files."""
    task = made(TASK, 5, state="STOPPED", files=list(files), filesTotal=len(files), **more)
    cache_of(client).replace([task], resource_version="10")


async def fetch(url: str) -> tuple[int, bytes]:
    def read() -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, b""

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("backend", SIGNED, indirect=True)
async def test_who_asks_for_links_can_fetch_the_files_and_nothing_else(
    make_gateway: Any, place: Place
) -> None:
    uri = await place.keep(b"#EXTM3U", "out.m3u8")
    manifest_uri = await place.keep(b"{}", "manifest.json")
    gateway = await make_gateway(links={**place.settings, "ttlSeconds": 600})
    tell(gateway, output(uri), manifestUri=manifest_uri)
    answer = await gateway.get(PATH, params={"links": "true"})
    links = (await answer.json())["links"]
    assert sorted(links["files"]) == ["manifest.json", "out.m3u8"]
    assert await fetch(links["files"]["out.m3u8"]) == (200, b"#EXTM3U")
    assert await fetch(links["files"]["manifest.json"]) == (200, b"{}")
    left = datetime.fromisoformat(links["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    plain, _, query = links["files"]["out.m3u8"].partition("?")
    assert (await fetch(plain))[0] in {400, 403, 404}, "without its signature it opens nothing"
    assert (await fetch(f"{plain.replace('out.m3u8', 'manifest.json')}?{query}"))[0] == 403, (
        "nor another file"
    )
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert "ETag" not in answer.headers


async def test_google_links_are_signed_with_the_service_accounts_key_and_nobody_is_asked(
    make_gateway: Any, tmp_path: Path
) -> None:
    key = gcs_double.account(1, email="gateway@example", signs=True)
    tmp_path.joinpath("google_service_account_key").write_text(key)
    place = {"url": "gs://recordings", "credentialsDir": str(tmp_path), "ttlSeconds": 600}
    gateway = await make_gateway(links=place)
    tell(gateway, output(f"gs://recordings/demo/{TASK}/out.m3u8"))
    answer = await (await gateway.get(PATH, params={"links": "true"})).json()
    link = urlsplit(answer["links"]["files"]["out.m3u8"])
    query = parse_qs(link.query)
    assert link.path.endswith(f"/recordings/demo/{TASK}/out.m3u8")
    assert query["X-Goog-Credential"][0].startswith("gateway@example/")
    assert query["X-Goog-Expires"] == ["600"]
    assert len(query["X-Goog-Signature"][0]) == 512


async def test_nobody_gets_links_who_did_not_ask_and_lists_have_none(make_gateway: Any, place: Place) -> None:
    gateway = await make_gateway(links=place.settings)
    tell(gateway, output(await place.keep(b"x", "out.m3u8")))
    for path, query in ((PATH, {}), (PATH, {"links": "false"}), ("/egress/v1/demo/tasks", {"links": "true"})):
        answer = await gateway.get(path, params=query)
        assert "Signature" not in await answer.text(), path


async def test_the_other_form_of_the_call_has_them_too_and_a_304_brings_none(
    make_gateway: Any, place: Place
) -> None:
    gateway = await make_gateway(links=place.settings)
    tell(gateway, output(await place.keep(b"x", "out.m3u8")))
    assert "links" in await (await gateway.post(f"{PATH}/status", params={"links": "true"})).json()
    tag = (await gateway.get(PATH)).headers["ETag"]
    answer = await gateway.get(PATH, params={"links": "true"}, headers={"If-None-Match": tag})
    assert (answer.status, await answer.read()) == (304, b"")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("{url}/other/{task}/out.m3u8", "out.m3u8"),
        ("{url}/demo/t5hvirqsrsvh7kpy4eg7x/out.m3u8", "out.m3u8"),
        ("{url}/demo/{task}/../t5hvirqsrsvh7kpy4eg7x/out.m3u8", "../t5hvirqsrsvh7kpy4eg7x/out.m3u8"),
        ("{url}/demo/{task}/another.m3u8", "out.m3u8"),
        ("s3://elsewhere/demo/{task}/out.m3u8", "out.m3u8"),
    ],
    ids=["another app's", "another task's", "a way out", "another name", "another store"],
)
async def test_a_file_outside_of_the_tasks_folder_gets_no_link_whatever_its_status_says(
    make_gateway: Any, place: Place, uri: str, name: str
) -> None:
    gateway = await make_gateway(links=place.settings)
    tell(gateway, output(uri.format(url=place.url, task=TASK), name))
    answer = await (await gateway.get(PATH, params={"links": "true"})).json()
    assert answer["links"]["files"] == {}


async def test_the_folder_is_the_one_of_the_tasks_own_region(make_gateway: Any, place: Place) -> None:
    settings = {**place.settings, "folder": "{region}/{namespace}/{task_id}", "region": "eu"}
    gateway = await make_gateway(links=settings)
    uri = await place.keep(b"there", "out.m3u8", folder=f"us/tasks/{TASK}")
    tell(gateway, output(uri), spec={"placement": {"region": "us"}})
    answer = await (await gateway.get(PATH, params={"links": "true"})).json()
    assert await fetch(answer["links"]["files"]["out.m3u8"]) == (200, b"there")


async def test_an_app_with_a_store_of_its_own_gets_links_to_that(make_gateway: Any, place: Place) -> None:
    elsewhere = {"url": "s3://nowhere", "apps": {"demo": place.settings}}
    gateway = await make_gateway(links=elsewhere)
    tell(gateway, output(await place.keep(b"own", "out.m3u8")))
    answer = await (await gateway.get(PATH, params={"links": "true"})).json()
    assert await fetch(answer["links"]["files"]["out.m3u8"]) == (200, b"own")


async def test_where_they_are_off_who_asks_is_told_so(make_gateway: Any) -> None:
    gateway = await make_gateway()
    tell(gateway)
    answer = await gateway.get(PATH, params={"links": "true"})
    problem = await answer.json(content_type="application/problem+json")
    assert answer.status == 400
    assert problem["errors"] == [
        {"parameter": "links", "detail": "there are none here: gateway.links.enabled is not set"}
    ]
    assert (await gateway.get(PATH, params={"links": "yes"})).status == 400
    assert (await gateway.get(PATH)).status == 200


async def test_where_nothing_can_be_signed_the_call_fails_for_now_and_the_log_says_why(
    make_gateway: Any, place: Place, tmp_path: Path, json_logs: Logs
) -> None:
    gateway = await make_gateway(links=place.settings)
    tell(gateway, output(await place.keep(b"x", "out.m3u8")))
    (tmp_path / "keys" / "no_such_option").write_text("x")
    answer = await gateway.get(PATH, params={"links": "true"})
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"].rpartition(":")[2]) == (503, "store-unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "no_such_option" not in problem["detail"]
    (line,) = [line for line in json_logs() if line["msg"] == "links can't be signed"]
    assert "no_such_option" in line["error"]
    (tmp_path / "keys" / "no_such_option").unlink()
    assert (await gateway.get(PATH, params={"links": "true"})).status == 200


async def test_links_are_never_logged(make_gateway: Any, place: Place, json_logs: Logs) -> None:
    gateway = await make_gateway(links=place.settings, log_level="debug")
    tell(gateway, output(await place.keep(b"x", "out.m3u8")))
    assert (await gateway.get(PATH, params={"links": "true"})).status == 200
    assert "Signature" not in str(json_logs())


@pytest.mark.parametrize(
    ("settings", "whose"),
    [
        ({"url": "file:///srv/recordings"}, "of all apps"),
        ({"url": "s3://b", "apps": {"mine": {"url": "file:///srv"}}}, "of app mine"),
    ],
    ids=["of all apps", "of one app"],
)
def test_links_to_a_volume_are_refused_at_the_start(settings: dict[str, Any], whose: str) -> None:
    with pytest.raises(ValidationError, match="there are no links to files on a volume") as refused:
        LinksSettings(**settings)
    assert f"the store {whose} is file:///srv" in str(refused.value)
