"""The proxy that makes a store fail: what it lets through is true, and what it does to requests is what it says."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from egress_api.recorder import StoreConfig
from egress_recorder.errors import StoreError, StoreRefusedError, StoreUnreachableError
from egress_recorder.store import Store
from support import s3_server, store_faults
from support.store_faults_server import Proxy, Rule

DATA = b"media " * 50_000


@pytest.fixture
def open_store(proxy: Proxy, tmp_path: Path) -> Callable[..., Store]:
    def make(**options: str) -> Store:
        s3_server.write_keys(tmp_path / "credentials")
        config = StoreConfig(url="s3://recordings/t1/", options=s3_server.options_for(proxy.port, **options))
        return Store(config, credentials_dir=tmp_path / "credentials")

    return make


async def put(store: Store, name: str = "a.ts") -> None:
    await store.put(name, DATA, content_type="video/mp2t")


async def test_without_a_rule_everything_goes_through(proxy: Proxy, open_store: Callable[..., Store]) -> None:
    store = open_store()
    await put(store)
    found = await store.get("a.ts")
    assert found is not None
    assert found.data == DATA
    assert await store.names() == ["a.ts"]
    first = proxy.seen[0]
    assert (first.method, first.size, first.fault) == ("PUT", len(DATA), "")


@pytest.mark.parametrize(
    ("rule", "kind", "words"),
    [
        (store_faults.DOWN, StoreUnreachableError, "Connection refused"),
        (Rule("close"), StoreUnreachableError, "did not write"),
        (store_faults.RESET, StoreUnreachableError, "did not write"),
        (Rule("lost-answer"), StoreUnreachableError, "did not write"),
        (store_faults.SLOW_DOWN, StoreUnreachableError, "SlowDown: Please reduce"),
        (store_faults.INTERNAL_ERROR, StoreUnreachableError, "InternalError"),
        (store_faults.EXPIRED, StoreRefusedError, "ExpiredToken"),
        (store_faults.WRONG_KEY, StoreRefusedError, "InvalidAccessKeyId"),
        (store_faults.NO_BUCKET, StoreRefusedError, "NoSuchBucket"),
    ],
    ids=lambda value: value.code if isinstance(value, Rule) and value.fault == "status" else None,
)
async def test_a_fault_is_what_it_says_and_ends_when_told(
    proxy: Proxy, open_store: Callable[..., Store], rule: Rule, kind: type[StoreError], words: str
) -> None:
    store = open_store()
    await proxy.set(rule)
    with pytest.raises(kind, match=words):
        await put(store)
    await proxy.set()
    await put(store)


async def test_a_reset_comes_in_the_middle_of_an_answer_too(
    proxy: Proxy, open_store: Callable[..., Store]
) -> None:
    store = open_store()
    await put(store)
    await proxy.set(store_faults.RESET)
    with pytest.raises(StoreUnreachableError):
        await store.get("a.ts")


async def test_a_lost_answer_is_to_something_that_was_done(
    proxy: Proxy, open_store: Callable[..., Store], s3: s3_server.S3Server
) -> None:
    store = open_store()
    await proxy.set(Rule("lost-answer"))
    with pytest.raises(StoreUnreachableError):
        await put(store)
    assert s3.bucket.joinpath("t1/a.ts").read_bytes() == DATA


async def test_a_black_hole_holds_a_request_until_it_is_told_otherwise(
    proxy: Proxy, open_store: Callable[..., Store]
) -> None:
    store = open_store()
    await proxy.set(replace(store_faults.BLACK_HOLE, times=1))
    writing = asyncio.create_task(put(store))
    await proxy.until_seen(1)
    assert not (await asyncio.wait({writing}, timeout=0.3))[0]
    await proxy.set()
    # the client has asked again by itself
    await writing


async def test_a_slow_store_takes_its_time(proxy: Proxy, open_store: Callable[..., Store]) -> None:
    store = open_store()
    await proxy.set(Rule("slow", bytes_per_second=len(DATA)))
    began = time.monotonic()
    await put(store)
    assert 0.9 < time.monotonic() - began < 5


async def test_a_rule_is_for_some_requests_and_so_many(
    proxy: Proxy, open_store: Callable[..., Store]
) -> None:
    store = open_store()
    await proxy.set(Rule("close", methods=("PUT",), key=r"/b\.ts", times=2))
    await put(store)
    with pytest.raises(StoreUnreachableError):
        await put(store, "b.ts")
    await put(store, "b.ts")
    assert [seen.fault for seen in proxy.seen if "b.ts" in seen.path] == ["close", "close", ""]
    assert proxy.rules == []


async def test_a_corrupted_upload_is_one_that_a_signature_finds(
    proxy: Proxy, open_store: Callable[..., Store], s3: s3_server.S3Server
) -> None:
    await proxy.set(Rule("corrupt"))
    with pytest.raises(StoreUnreachableError, match="XAmzContentSHA256Mismatch"):
        await put(open_store())
    await put(open_store(unsigned_payload="true"), "b.ts")
    there = s3.bucket.joinpath("t1/b.ts").read_bytes()
    assert len(there) == len(DATA)
    assert sum(a != b for a, b in zip(there, DATA, strict=True)) == 1


async def test_a_wrong_etag_is_told_of_a_right_object(
    proxy: Proxy, open_store: Callable[..., Store], s3: s3_server.S3Server
) -> None:
    store = open_store()
    await proxy.set(Rule("wrong-etag"))
    version = await store.put("a.ts", DATA, content_type="video/mp2t")
    assert version["e_tag"] == '"0123456789abcdef0123456789abcdef"'
    assert s3.bucket.joinpath("t1/a.ts").read_bytes() == DATA


def test_a_rule_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="none of"):
        Rule("flood")
    with pytest.raises(ValueError, match="down for everything"):
        Rule("down", times=3)
