"""Status calls for tasks that the cluster no longer has, in front of a real S3 server that may be away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from kubernetes.aio.client import Configuration
from pytest_aiohttp.plugin import AiohttpClient

from egress_gateway.app import create_app
from egress_gateway.cluster import Cluster
from egress_gateway.history import history as history_module
from egress_gateway.history import store as history_store
from egress_gateway.settings import Settings
from egress_recorder.store import Store
from support import history
from support.auth import bearer, entry, new_key
from support.gateway import until
from support.gateway_tasks import cache_of, made
from support.history import TASK, keep, manifest
from support.s3_server import BUCKET, KEYS, S3Server, options_for, write_keys
from support.store_backends import KINDS, SIGNED, Backend
from support.store_faults_server import Proxy, Rule

PATH = f"/egress/v1/demo/tasks/{TASK}"
Client = TestClient[Any, Any]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    write_keys(folder)
    return folder


@pytest.fixture
def settings(proxy: Proxy, keys: Path) -> dict[str, Any]:
    return {"url": f"s3://{BUCKET}", "options": options_for(proxy.port), "credentialsDir": str(keys)}


@pytest.fixture
def asked() -> list[str]:
    """Give the tasks that the API server was asked for."""
    return []


@pytest.fixture
async def make(aiohttp_client: AiohttpClient, asked: list[str]) -> Any:
    """Make gateways whose API server has no task at all; keywords are settings."""
    server = TestServer(history.empty_api_server(asked))
    await server.start_server()

    async def make(**given: Any) -> Client:
        settings = Settings(namespace="tasks", api_timeout_seconds=2, **given)
        cluster = Cluster(
            Configuration(host=str(server.make_url("")).rstrip("/")), namespace="tasks", settings=settings
        )
        return await aiohttp_client(create_app(cluster, settings))

    yield make
    await server.close()


@pytest.fixture
async def gateway(make: Any, settings: dict[str, Any]) -> Client:
    client: Client = await make(history=settings)
    return client


async def refused(client: Client, path: str = PATH, **arguments: Any) -> tuple[int, str, str]:
    answer = await client.get(path, **arguments)
    problem = await answer.json(content_type="application/problem+json")
    return answer.status, problem["type"].rpartition(":")[2], problem["detail"]


async def metric(client: Client, outcome: str) -> float:
    text = await (await client.get("/metrics")).text()
    lines = [line for line in text.splitlines() if f'history_reads_total{{outcome="{outcome}"}}' in line]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


async def test_a_task_that_is_gone_is_told_of_as_its_status_was(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest())
    answer = await gateway.get(PATH)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache, private")
    uri = f"s3://recordings/demo/{TASK}"
    assert await answer.json() == {
        "task_id": TASK,
        "status": "STOPPED",
        "payload": {
            "layout": "flat",
            "channel": "standup",
            "users": ["user1"],
            "files": ["out.m3u8"],
            "format": "hls",
            "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 2000},
            "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
        },
        "reason": "StopRequested",
        "message": "the recording was stopped as asked",
        "created_at": "2026-11-23T07:00:00.000Z",
        "started_at": "2026-11-23T07:00:02.000Z",
        "stopped_at": "2026-11-23T07:00:42.000Z",
        "pause": False,
        "gaps": [],
        "lost_seconds": 0.0,
        "pending_bytes": 0,
        "outputs": [
            {
                "name": "out.m3u8",
                "uri": f"{uri}/out.m3u8",
                "kind": "playlist",
                "sizeBytes": 200,
                "durationSeconds": 8.0,
                "sha256": "1" * 64,
            }
        ],
        "manifest_uri": f"{uri}/manifest.json",
        "archived": True,
    }
    assert await metric(gateway, "found") == 1


async def test_the_other_form_of_the_call_is_answered_alike(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest())
    posted = await gateway.post(f"{PATH}/status", json={"request_id": "q1"})
    assert (posted.status, posted.headers["X-Request-Id"]) == (200, "q1")
    assert await posted.json() == await (await gateway.get(PATH)).json()


async def test_who_holds_it_is_not_sent_it_again(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest())
    etag = (await gateway.get(PATH)).headers["ETag"]
    for held in (etag, "*"):
        again = await gateway.get(f"{PATH}?wait=60s", headers={"If-None-Match": held})
        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", etag)
    assert (await gateway.get(PATH, headers={"If-None-Match": '"5"'})).status == 200


async def test_a_task_that_is_there_is_told_of_from_the_cluster(
    gateway: Client, s3: S3Server, proxy: Proxy
) -> None:
    """Its name may have been given again: the earlier recording is told of when that one is gone, too."""
    keep(s3.bucket, manifest())
    cache = cache_of(gateway)
    cache.replace([made(TASK, 5, state="FAILED", reason="OutputExists")], resource_version="10")
    answer = await (await gateway.get(PATH)).json()
    assert (answer["status"], answer["reason"], "archived" in answer) == ("FAILED", "OutputExists", False)
    assert proxy.seen == []
    cache.remove(TASK, resource_version="11")
    answer = await (await gateway.get(PATH)).json()
    assert (answer["status"], answer["reason"], answer["archived"]) == ("STOPPED", "StopRequested", True)


async def test_what_left_nothing_is_not_found_and_the_sentence_says_so(gateway: Client) -> None:
    status, kind, detail = await refused(gateway)
    assert (status, kind) == (404, "task-not-found")
    assert detail.startswith(f"App demo has no task {TASK}, and no recording of one in the store")
    assert await metric(gateway, "missing") == 1


@pytest.mark.parametrize("folder", ["{app_id}/{task_id}", "{task_id}"])
async def test_a_recording_of_another_app_is_as_unknown_as_none(
    make: Any, settings: dict[str, Any], s3: S3Server, folder: str
) -> None:
    gateway = await make(history={**settings, "folder": folder})
    keep(s3.bucket, manifest(app_id="other"), folder=folder.format(app_id="other", task_id=TASK))
    theirs = await gateway.get(f"/egress/v1/other/tasks/{TASK}")
    assert theirs.status == 200
    never = "/egress/v1/demo/tasks/tnever"
    assert (await refused(gateway))[2].replace(TASK, "tnever") == (await refused(gateway, never))[2]


@pytest.mark.parametrize("theirs", ["others", ""], ids=["another", "not told"])
async def test_a_recording_of_another_namespace_is_as_unknown_as_none(
    gateway: Client, s3: S3Server, theirs: str
) -> None:
    """Two releases may share a bucket, and their tasks have the same names where their requests have the same ids."""
    keep(s3.bucket, manifest(namespace=theirs))
    never = "/egress/v1/demo/tasks/tnever"
    assert (await refused(gateway))[2].replace(TASK, "tnever") == (await refused(gateway, never))[2]


async def test_who_may_not_call_an_app_is_not_told_of_its_recordings(
    make: Any, settings: dict[str, Any], s3: S3Server, tmp_path: Path, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    ours, theirs = new_key(), new_key()
    folder = tmp_path / "api-keys"
    folder.mkdir()
    for name, key, app in (("ours", ours, "demo"), ("theirs", theirs, "other")):
        (folder / name).write_text(entry(key, app))
    gateway = await make(history=settings, auth={"modes": ["apiKeys"], "apiKeys": {"folder": str(folder)}})
    assert (await gateway.get(PATH, headers=bearer(theirs))).status == 403
    assert (await gateway.get(PATH)).status == 401
    assert proxy.seen == []
    assert (await gateway.get(PATH, headers=bearer(ours))).status == 200


@pytest.mark.parametrize("task_id", ["..%2F..%2Fother", "A", "t%00", "t" * 58, ".", "t%2Ft"])
async def test_what_can_be_no_task_is_never_asked_for(gateway: Client, proxy: Proxy, task_id: str) -> None:
    assert (await gateway.get(f"/egress/v1/demo/tasks/{task_id}")).status in {403, 404}
    assert proxy.seen == []


async def test_folder_region_and_prefix_are_the_operators(
    make: Any, settings: dict[str, Any], s3: S3Server
) -> None:
    layout = {
        "url": f"s3://{BUCKET}/all/",
        "folder": "/{region}/{namespace}/{app_id}-{task_id}/",
        "region": "eu",
    }
    gateway = await make(history={**settings, **layout})
    folder = f"all/eu/tasks/demo-{TASK}"
    keep(s3.bucket, manifest(), folder=folder)
    answer = await gateway.get(PATH)
    assert (answer.status, (await answer.json())["manifest_uri"]) == (
        200,
        f"s3://{BUCKET}/{folder}/manifest.json",
    )


async def test_a_volume_is_read_as_well(make: Any, tmp_path: Path) -> None:
    keep(tmp_path, manifest())
    gateway = await make(history={"url": tmp_path.as_uri(), "credentialsDir": str(tmp_path / "none")})
    assert (await gateway.get(PATH)).status == 200
    assert (await refused(gateway, "/egress/v1/demo/tasks/t2"))[:2] == (404, "task-not-found")


async def test_an_empty_manifest_on_a_volume_is_none(make: Any, tmp_path: Path) -> None:
    keep(tmp_path, b"")
    gateway = await make(history={"url": tmp_path.as_uri()})
    status, kind, detail = await refused(gateway)
    assert (status, kind) == (404, "task-not-found")
    assert "none that this gateway can read" in detail


async def test_a_volume_that_is_not_mounted_is_no_empty_one(make: Any, tmp_path: Path) -> None:
    gateway = await make(history={"url": (tmp_path / "missing").as_uri()})
    assert (await refused(gateway))[:2] == (503, "store-unavailable")


async def test_a_store_that_is_down_is_not_a_missing_task(
    gateway: Client, s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    await proxy.set(Rule("down"))
    answer = await gateway.get(PATH)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert problem["type"].endswith(":store-unavailable")
    # Where the store is stands in the gateway's log alone.
    assert BUCKET not in json.dumps(problem)
    assert str(proxy.port) not in json.dumps(problem)
    assert await metric(gateway, "failed") == 1
    await proxy.set()
    assert (await gateway.get(PATH)).status == 200


@pytest.mark.parametrize(
    "rule", [Rule("black-hole"), Rule("status", status=503, code="SlowDown")], ids=lambda r: r.fault
)
async def test_a_store_that_does_not_answer_is_not_waited_for_long(
    make: Any, settings: dict[str, Any], proxy: Proxy, rule: Rule
) -> None:
    gateway = await make(history={**settings, "timeoutSeconds": 0.5})
    await proxy.set(rule)
    begun = asyncio.get_running_loop().time()
    assert (await refused(gateway))[:2] == (503, "store-unavailable")
    assert asyncio.get_running_loop().time() - begun < 5


async def test_a_store_that_refuses_is_somebodys_to_mend_and_new_keys_need_no_restart(
    make: Any, settings: dict[str, Any], s3: S3Server, tmp_path: Path
) -> None:
    keep(s3.bucket, manifest())
    folder = tmp_path / "wrong"
    write_keys(folder, (KEYS[0], "not-the-secret"))
    gateway = await make(history={**settings, "credentialsDir": str(folder)})
    answer = await gateway.get(PATH)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert "refuses the gateway" in problem["detail"]
    assert KEYS[0] not in json.dumps(problem)
    write_keys(folder)
    assert (await gateway.get(PATH)).status == 200


async def test_a_bucket_that_is_missing_is_not_a_missing_task(make: Any, settings: dict[str, Any]) -> None:
    gateway = await make(history={**settings, "url": "s3://nowhere"})
    assert (await refused(gateway))[:2] == (503, "store-unavailable")


async def test_a_recording_that_has_ended_is_asked_for_once(
    gateway: Client, s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    for _ in range(3):
        assert (await gateway.get(PATH)).status == 200
    assert len(proxy.seen) == 1


async def test_a_recording_that_is_being_closed_is_waited_for(
    gateway: Client, s3: S3Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_KEEP_OPEN_SECONDS", 0.1)
    keep(s3.bucket, manifest(end=None))
    etag = (await gateway.get(PATH)).headers["ETag"]
    call = asyncio.create_task(gateway.get(f"{PATH}?wait=60s", headers={"If-None-Match": etag}))

    async def looked_at_again() -> bool:
        return len(proxy.seen) > 2

    await until("the store is asked again", looked_at_again)
    assert not call.done()
    keep(s3.bucket, manifest())
    answer = await asyncio.wait_for(call, 10)
    assert (answer.status, (await answer.json())["status"]) == (200, "STOPPED")


async def test_waiting_for_what_is_being_closed_asks_the_store_seldom(
    gateway: Client, s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest(end=None))
    begun = asyncio.get_running_loop().time()
    for form, path in (("GET", PATH), ("POST", f"{PATH}/status")):
        assert (await (await gateway.request(form, f"{path}?wait=1s")).json())["status"] == "STOPPING"
    assert asyncio.get_running_loop().time() - begun >= 2
    assert len(proxy.seen) == 1


async def test_the_end_of_the_gateway_ends_a_wait_for_the_store(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest(end=None))
    call = asyncio.create_task(gateway.get(f"{PATH}?wait=60s"))
    changes = cache_of(gateway).changes

    async def waits() -> bool:
        return bool(changes._subscriptions)

    await until("the gateway waits", waits)
    changes.end()
    answer = await asyncio.wait_for(call, 10)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")


async def test_many_who_ask_at_once_share_what_one_has_read(
    make: Any, settings: dict[str, Any], s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    gateway = await make(history={**settings, "parallel": 1})
    await proxy.set(Rule("delay", seconds=0.2))
    answers = await asyncio.gather(*(gateway.get(PATH) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len(proxy.seen) == 1


async def test_the_unknown_ids_of_one_app_cost_another_neither_its_turn_nor_its_answers(
    make: Any, settings: dict[str, Any], s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    gateway = await make(history={**settings, "parallel": 2, "keepEntries": 3, "timeoutSeconds": 3})
    assert (await gateway.get(PATH)).status == 200
    flood = [f"/egress/v1/other/tasks/t{number}" for number in range(6)]
    await asyncio.gather(*(gateway.get(path) for path in flood))
    before = len(proxy.seen)
    assert (await gateway.get(PATH)).status == 200
    assert len(proxy.seen) == before, "kept"

    keep(s3.bucket, manifest(task_id="t2"), folder="demo/t2")
    await proxy.set(Rule("black-hole", key="other/"))
    calls = [asyncio.create_task(gateway.get(f"{path}x")) for path in flood]

    async def stuck() -> bool:
        return any(f"{path.rpartition('/')[2]}x" in seen.path for path in flood for seen in proxy.seen)

    await until("a read that hangs", stuck)
    begun = asyncio.get_running_loop().time()
    assert (await gateway.get("/egress/v1/demo/tasks/t2")).status == 200
    assert asyncio.get_running_loop().time() - begun < 2
    assert {answer.status for answer in await asyncio.gather(*calls)} == {503}


async def test_the_api_server_is_asked_once_in_a_while_for_a_task_that_is_gone(
    make: Any, settings: dict[str, Any], s3: S3Server, asked: list[str]
) -> None:
    keep(s3.bucket, manifest())
    gateway = await make(history=settings)
    assert (await gateway.get(PATH)).status == 200
    assert (await gateway.get(PATH)).status == 200
    assert len(asked) == 2, "without a watch nobody would tell of another task of that name"

    cache = cache_of(gateway)
    cache.replace([], resource_version="10")
    for _ in range(3):
        assert (await gateway.get(PATH)).status == 200
    assert len(asked) == 2
    assert (await refused(gateway, f"/egress/v1/other/tasks/{TASK}"))[:2] == (404, "task-not-found")
    assert len(asked) == 3, "what is known of one app's is not another's"
    cache.put_own(made(TASK, 11, state="PROCESSING"))
    assert (await (await gateway.get(PATH)).json())["status"] == "PROCESSING"


async def test_where_it_was_to_record_is_told_as_before(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest(placement={"region": "eu-west", "zone": "eu-west-1a"}))
    answer = await (await gateway.get(PATH)).json()
    assert answer["payload"]["placement"] == {"region": "eu-west", "zone": "eu-west-1a"}


async def test_who_waits_too_long_for_a_turn_is_told_to_come_back(
    make: Any, settings: dict[str, Any], proxy: Proxy
) -> None:
    gateway = await make(history={**settings, "parallel": 1, "timeoutSeconds": 0.5})
    await proxy.set(Rule("black-hole"))
    paths = [f"/egress/v1/demo/tasks/t{number}" for number in range(5)]
    assert {problem[:2] for problem in await asyncio.gather(*(refused(gateway, path) for path in paths))} == {
        (503, "store-unavailable")
    }
    # One at a time: who came while another was being read has not been asked for.
    assert len(proxy.seen) < len(paths)


async def test_of_a_long_recording_only_the_beginning_is_read(
    gateway: Client, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = manifest(segments=500)
    monkeypatch.setattr(history_store, "MOST_BYTES", 4096)
    assert len(content) > 10 * history_store.MOST_BYTES
    keep(s3.bucket, content)
    answer = await (await gateway.get(PATH)).json()
    assert answer["outputs"][0]["durationSeconds"] == 2000.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"hello": "world"}',
        manifest().replace(b'"v":1', b'"v":2'),
        manifest().replace(b'"asked":', b'"asks":'),
        manifest().replace(b'"format":"hls"', b'"format":"fmp4"'),
        manifest().replace(b'"state":"STOPPED"', b'"state":"ARCHIVED"'),
    ],
    ids=["nothing", "empty", "binary", "foreign", "newer", "older", "newer format", "newer state"],
)
async def test_what_cannot_be_read_is_not_passed_off_as_a_status(
    gateway: Client, s3: S3Server, content: bytes
) -> None:
    keep(s3.bucket, content)
    status, kind, detail = await refused(gateway)
    assert (status, kind) == (404, "task-not-found")
    assert "none that this gateway can read" in detail


async def test_only_status_calls_are_answered_for_what_is_gone(gateway: Client, s3: S3Server) -> None:
    keep(s3.bucket, manifest())
    body = {"request_id": "q1"}
    pause = {**body, "payload": {"pause": True}}
    for answer in (
        await gateway.post(f"{PATH}/stop", json=body),
        await gateway.patch(PATH, json=pause),
        await gateway.delete(PATH),
        await gateway.get(f"{PATH}/events"),
    ):
        assert answer.status == 404
    cache_of(gateway).replace([], resource_version="10")
    assert (await (await gateway.get("/egress/v1/demo/tasks")).json())["tasks"] == []


async def test_while_the_cluster_cannot_tell_the_store_is_not_asked(
    make_gateway: Any, settings: dict[str, Any], s3: S3Server, proxy: Proxy
) -> None:
    keep(s3.bucket, manifest())
    nowhere = await make_gateway(history=settings)
    assert (await refused(nowhere))[:2] == (503, "unavailable")
    assert proxy.seen == []


async def test_without_a_store_what_is_gone_is_gone(make: Any) -> None:
    assert (await refused(await make()))[1:] == ("task-not-found", f"App demo has no task {TASK}")


@pytest.fixture
def keep_anywhere(backend: Backend, tmp_path: Path) -> Any:
    """Put a manifest into a store of any kind; return what a gateway is told of that."""
    backend.write_credentials(tmp_path / "any-keys")
    config = backend.config(backend.port)

    async def keep(content: bytes) -> dict[str, Any]:
        store = Store(config, credentials_dir=tmp_path / "any-keys")
        await store.put(f"demo/{TASK}/manifest.json", content, content_type="application/json")
        return {"url": config.url, "options": config.options, "credentialsDir": str(tmp_path / "any-keys")}

    return keep


@pytest.mark.parametrize("backend", SIGNED, indirect=True)
async def test_what_the_store_alone_tells_of_has_links_where_they_are_wanted(
    make: Any, keep_anywhere: Any, backend: Backend
) -> None:
    folder = f"{backend.config(backend.port).url}demo/{TASK}/"
    place = await keep_anywhere(manifest(store={"url": folder}))
    gateway = await make(history=place, links=place)
    answer = await (await gateway.get(PATH, params={"links": "true"})).json()
    assert (answer["status"], answer["archived"]) == ("STOPPED", True)
    assert sorted(answer["links"]["files"]) == ["manifest.json", "out.m3u8"]
    assert "links" not in await (await gateway.get(PATH)).json()


@pytest.mark.parametrize("backend", KINDS, indirect=True)
async def test_an_empty_manifest_and_a_missing_bucket_are_told_apart_in_every_kind_of_store(
    make: Any, keep_anywhere: Any
) -> None:
    place = await keep_anywhere(b"")
    status, kind, detail = await refused(await make(history=place))
    assert (status, kind) == (404, "task-not-found")
    assert "none that this gateway can read" in detail
    nowhere = {**place, "url": f"{place['url'].partition(':')[0]}://nowhere-to-be-found"}
    assert (await refused(await make(history=nowhere)))[:2] == (503, "store-unavailable")


@pytest.mark.parametrize("backend", KINDS, indirect=True)
async def test_an_app_with_a_store_of_its_own_is_told_of_from_there(make: Any, keep_anywhere: Any) -> None:
    own = await keep_anywhere(manifest())
    gateway = await make(history={"url": "file:///nowhere", "apps": {"demo": own}})
    answer = await (await gateway.get(PATH)).json()
    assert answer["manifest_uri"] == f"{own['url'].rstrip('/')}/demo/{TASK}/manifest.json"
