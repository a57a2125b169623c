"""The store's errors, in sentences that say what to do, and its conditional writes."""

import socket
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from egress_api.manifest import Manifest
from egress_api.recorder import StoreConfig
from egress_recorder.errors import (
    FencedError,
    ObjectChangedError,
    ObjectExistsError,
    OutputExistsError,
    StoreRefusedError,
    StoreUnreachableError,
)
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import Recording
from egress_recorder.store import Store, etag_proves
from support.recorder import recorder_config

S3_OPTIONS = {"region": "us-east-1", "allow_http": "true", "virtual_hosted_style_request": "false"}


def open_store(tmp_path: Path, url: str | None = None, **options: str) -> Store:
    config = StoreConfig(url=url or tmp_path.joinpath("store").as_uri(), options=options)
    return Store(config, credentials_dir=tmp_path / "credentials")


def memory_store(tmp_path: Path) -> Store:
    store = open_store(tmp_path)
    store._store = MemoryStore()
    store._local = False
    return store


async def test_what_was_put_is_there(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.put("a.ts", b"abc", content_type="video/mp2t")
    found = await store.get("a.ts")
    assert found is not None
    assert found.data == b"abc"
    assert await store.verify("a.ts", b"abc", {}) == found.version
    assert await store.names() == ["a.ts"]
    assert await store.get("b.ts") is None


async def test_a_volume_that_was_away_is_used_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.put("a.ts", b"abc", content_type="video/mp2t")
    away = tmp_path.joinpath("store").rename(tmp_path / "away")
    tmp_path.joinpath("store").write_text("not a folder")
    with pytest.raises(StoreUnreachableError, match=r"did not write b\.ts"):
        await store.put("b.ts", b"xyz", content_type="video/mp2t")
    tmp_path.joinpath("store").unlink()
    away.rename(tmp_path / "store")
    await store.put("b.ts", b"xyz", content_type="video/mp2t")
    assert sorted(await store.names()) == ["a.ts", "b.ts"]


async def test_a_create_only_write_never_overwrites(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.put("a.ts", b"abc", content_type="video/mp2t", create=True)
    with pytest.raises(ObjectExistsError):
        await store.put("a.ts", b"xyz", content_type="video/mp2t", create=True)
    found = await store.get("a.ts")
    assert found is not None
    assert found.data == b"abc"


async def test_a_conditional_write_names_the_version_it_replaces(tmp_path: Path) -> None:
    store = memory_store(tmp_path)
    first = await store.put("m", b"1", content_type="text/plain")
    await store.put("m", b"2", content_type="text/plain", only_over=first)
    with pytest.raises(ObjectChangedError):
        await store.put("m", b"3", content_type="text/plain", only_over=first)


async def test_an_endpoint_where_nobody_listens_is_unreachable_and_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "aws_access_key_id").write_text("AK\n")
    (tmp_path / "credentials" / "aws_secret_access_key").write_text("very-secret\n")
    store = open_store(tmp_path, "s3://recordings/app/t1/", endpoint=f"http://127.0.0.1:{port}", **S3_OPTIONS)
    with pytest.raises(StoreUnreachableError) as caught:
        await store.put("a.ts", b"abc", content_type="video/mp2t")
    assert f"s3://recordings/app/t1/ at http://127.0.0.1:{port}" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_plain_http_endpoint_without_the_option_is_refused_with_its_name(tmp_path: Path) -> None:
    store = open_store(
        tmp_path,
        "s3://recordings/",
        endpoint="http://127.0.0.1:1",
        region="us-east-1",
        aws_access_key_id="AK",
        aws_secret_access_key="SK",
    )
    with pytest.raises(StoreRefusedError, match="allow_http"):
        await store.get("a.ts")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://host/x", {}),
        ("s3://bucket/x", {"no_such_option": "1"}),
        ("az://account-only", {}),
    ],
)
def test_options_that_make_no_store_are_refused_at_once(
    tmp_path: Path, url: str, options: dict[str, str]
) -> None:
    with pytest.raises(StoreRefusedError, match="can't be opened"):
        open_store(tmp_path, url, **options)


def test_an_etag_proves_only_what_it_is_the_md5_of() -> None:
    assert etag_proves({"e_tag": '"900150983cd24fb0d6963f7d28e17f72"'}, data=b"abc")
    assert not etag_proves({"e_tag": '"900150983cd24fb0d6963f7d28e17f72"'}, data=b"abd")
    assert not etag_proves({"e_tag": '"900150983cd24fb0d6963f7d28e17f72-2"'}, data=b"abc")
    assert not etag_proves({}, data=b"abc")


@pytest.mark.parametrize("make", [open_store, memory_store], ids=["plain files", "conditional writes"])
async def test_only_the_latest_attempt_writes_the_manifest(tmp_path: Path, make: type[Store]) -> None:
    store = make(tmp_path)
    first, second = recorder_config(), recorder_config(attempt=2)
    old, new = ManifestStore(store, first), ManifestStore(store, second)
    assert await old.read() is None
    await old.write(manifest_of(first))
    await old.write(manifest_of(first))
    assert await new.read() is not None
    await new.write(manifest_of(second))
    with pytest.raises(FencedError, match="Attempt 2"):
        await old.write(manifest_of(first))
    found = await new.read()
    assert found is not None
    assert found.attempt == 2


@pytest.mark.parametrize("make", [open_store, memory_store], ids=["plain files", "conditional writes"])
async def test_a_write_whose_answer_was_lost_is_no_conflict(tmp_path: Path, make: type[Store]) -> None:
    store = make(tmp_path)
    config = recorder_config()
    manifest = ManifestStore(store, config)
    await manifest.read()
    await ManifestStore(store, config).write(manifest_of(config))
    await manifest.write(manifest_of(config))


@pytest.mark.parametrize("make", [open_store, memory_store], ids=["plain files", "conditional writes"])
@pytest.mark.parametrize("foreign", [b"{}", b"\xff\x00", None])
async def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, make: type[Store], foreign: bytes | None
) -> None:
    store = make(tmp_path)
    there = foreign if foreign is not None else manifest_of(recorder_config(task_uid="another"))
    await store.put("manifest.json", there, content_type="application/json")
    manifest = ManifestStore(store, recorder_config())
    with pytest.raises(OutputExistsError):
        await manifest.read()
    with pytest.raises(OutputExistsError):
        await ManifestStore(store, recorder_config()).write(manifest_of(recorder_config()))
    found = await store.get("manifest.json")
    assert found is not None
    assert found.data == there


def manifest_of(config: object) -> bytes:
    text = Recording(config, created_at=config.created_at).manifest()  # type: ignore[attr-defined, arg-type]
    assert Manifest.model_validate_json(text)
    return text
