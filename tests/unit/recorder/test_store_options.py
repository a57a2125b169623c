"""What the settings of a store become in its requests: encryption, storage class, tags, and whose credentials sign.

In: options as an administrator sets them. Out: the requests, as a server sees them that takes everything.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from egress_api.recorder import StoreConfig
from egress_recorder.errors import StoreRefusedError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.segment_store import SegmentStore, SegmentWrite
from egress_recorder.store import Store
from support import farewells
from support.auth import certificate
from support.azurite_server import KEY
from support.recorder import recorder_config

ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAPOD</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>session-of-the-pod</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class Taker:
    """A server that takes every object, and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.server = TestServer(web.Application())
        self.server.app.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.text() if request.path.startswith(("/sts", "/tenant", "/token")) else ""
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.requests.append((request.method, request.path, headers, body))
        if request.path == "/sts":
            return web.Response(text=ASSUMED, content_type="text/xml")
        if request.path.startswith(("/tenant", "/token")):
            return web.json_response(
                {"access_token": "of-the-pod", "token_type": "Bearer", "expires_in": 3600}
            )
        if request.method != "PUT":
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code><Message>.</Message></Error>")
        return web.Response(headers={"ETag": '"900150983cd24fb0d6963f7d28e17f72"', "x-goog-generation": "1"})

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def headers_of(self, name: str) -> dict[str, str]:
        return next(headers for method, path, headers, _ in self.requests if method == "PUT" and name in path)


@pytest.fixture
async def taker() -> AsyncIterator[Taker]:
    made = Taker()
    await made.server.start_server()
    yield made
    await made.server.close()


def s3(taker: Taker, tmp_path: Path, *, options: dict[str, str] | None = None, **more: Any) -> Store:
    given = {"endpoint": taker.url, "region": "us-east-1", "allow_http": "true", **(options or {})}
    keys = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK"}
    return _store(StoreConfig(url="s3://recordings/t1/", options=given, **more), keys, tmp_path)


def az(taker: Taker, tmp_path: Path, **more: Any) -> Store:
    given = {"account_name": "acc", "endpoint": taker.url, "allow_http": "true"}
    return _store(
        StoreConfig(url="az://recordings/t1/", options=given, **more), {"account_key": KEY}, tmp_path
    )


def gs(taker: Taker, tmp_path: Path, **more: Any) -> Store:
    account = {"gcs_base_url": taker.url, "disable_oauth": True, "client_email": "", "private_key": ""}
    keys = {"google_service_account_key": json.dumps({**account, "private_key_id": ""})}
    return _store(
        StoreConfig(url="gs://recordings/t1/", options={"allow_http": "true"}, **more), keys, tmp_path
    )


def _store(config: StoreConfig, keys: dict[str, str], tmp_path: Path) -> Store:
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name, value in keys.items():
        (folder / name).write_text(value)
    return Store(config, credentials_dir=folder)


async def put_segment(store: Store) -> None:
    manifest = ManifestStore(store, recorder_config())
    await SegmentStore(store, manifest=manifest).put(SegmentWrite("out_000000.ts", b"abc", "v1;x"))


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"aws_server_side_encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {
                "aws_server_side_encryption": "aws:kms",
                "aws_sse_kms_key_id": "alias/recordings",
                "aws_sse_bucket_key_enabled": "true",
            },
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/recordings",
                "x-amz-server-side-encryption-bucket-key-enabled": "true",
            },
        ),
        (
            {"aws_server_side_encryption": "aws:kms:dsse", "aws_sse_kms_key_id": "alias/recordings"},
            {"x-amz-server-side-encryption": "aws:kms:dsse"},
        ),
        ({"aws_request_payer": "true"}, {"x-amz-request-payer": "requester"}),
    ],
    ids=["AES256", "aws:kms", "aws:kms:dsse", "requester pays"],
)
async def test_options_for_encryption_are_in_each_request_of_s3(
    taker: Taker, tmp_path: Path, options: dict[str, str], headers: dict[str, str]
) -> None:
    await put_segment(s3(taker, tmp_path, options=options))
    seen = taker.headers_of("out_000000.ts")
    assert {name: seen.get(name) for name in headers} == headers


@pytest.mark.parametrize(
    ("make", "header", "name"),
    [(s3, "x-amz-storage-class", "STANDARD_IA"), (az, "x-ms-access-tier", "Cool"), (gs, "x-goog-storage-class", "NEARLINE")],
    ids=["s3", "az", "gs"],
)  # fmt: skip
async def test_the_storage_class_is_for_segments_alone(
    taker: Taker, tmp_path: Path, make: Any, header: str, name: str
) -> None:
    store = make(taker, tmp_path, storage_class=name)
    await put_segment(store)
    await store.put("manifest.json", b"abc", content_type="application/json")
    assert taker.headers_of("out_000000.ts")[header] == name
    assert header not in taker.headers_of("manifest.json")


@pytest.mark.parametrize(("make", "header"), [(s3, "x-amz-tagging"), (az, "x-ms-tags")], ids=["s3", "az"])
async def test_tags_are_on_every_object(taker: Taker, tmp_path: Path, make: Any, header: str) -> None:
    store = make(taker, tmp_path, tags={"team": "media", "keep": "30 d"})
    await put_segment(store)
    await store.put("manifest.json", b"abc", content_type="application/json")
    for name in ("out_000000.ts", "manifest.json"):
        assert sorted(taker.headers_of(name)[header].split("&")) == ["keep=30+d", "team=media"]


async def test_an_option_that_is_none_is_refused_by_name(taker: Taker, tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError, match="aws_storage_class"):
        s3(taker, tmp_path, options={"aws_storage_class": "STANDARD_IA"})


async def test_on_s3_the_pods_own_identity_signs_where_there_is_no_secret(
    taker: Taker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the webhook of EKS puts into a Pod: a token of its own volume, and where to change it for keys."""
    token = tmp_path / "token"
    token.write_text("the-pods-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/recorder")
    # Amazon's STS is asked by https alone.
    _, context = certificate(tmp_path)
    sts = TestServer(taker.server.app, skip_url_asserts=True)
    with farewells.noted():
        await sts.start_server(ssl=context)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", str(sts.make_url("/sts")))
        options = {"endpoint": taker.url, "region": "us-east-1", "allow_http": "true"}
        options["allow_invalid_certificates"] = "true"
        await put_segment(_store(StoreConfig(url="s3://recordings/t1/", options=options), {}, tmp_path))
        await sts.close()
        await farewells.said()
    seen = taker.headers_of("out_000000.ts")
    assert "Credential=ASIAPOD/" in seen["authorization"]
    assert seen["x-amz-security-token"] == "session-of-the-pod"


async def test_on_azure_the_pods_own_identity_signs_where_there_is_no_secret(
    taker: Taker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the webhook of Azure's workload identity puts into a Pod."""
    token = tmp_path / "token"
    token.write_text("the-pods-token")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(token))
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", taker.url)
    options = {"account_name": "acc", "endpoint": taker.url, "allow_http": "true"}
    await put_segment(_store(StoreConfig(url="az://recordings/t1/", options=options), {}, tmp_path))
    assert any("the-pods-token" in body for _, path, _, body in taker.requests if path.startswith("/tenant"))
    assert taker.headers_of("out_000000.ts")["authorization"] == "Bearer of-the-pod"
