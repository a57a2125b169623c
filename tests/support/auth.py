"""What the tests of authentication hold in their hands: API keys, an identity provider of their own, its tokens."""

import base64
import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from egress_gateway.auth.settings import JwtSettings

ISSUER = "https://id.good.example"
AUDIENCE = "egress"
TASK = "/egress/v1/demo/tasks/t1"


def new_key() -> str:
    return "egk_" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def entry(key: str, *apps: str) -> str:
    """Return what stands in the Secret for a key."""
    return json.dumps({"hash": "sha256:" + hashlib.sha256(key.encode()).hexdigest(), "apps": list(apps)})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Signer:
    """A private key, and its public half as an issuer shows it."""

    def __init__(self, algorithm: str = "ES256", *, key_id: str = "k1", says_algorithm: bool = True) -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.private: Any
        kind: Any = jwt.algorithms.get_default_algorithms()[algorithm]
        match algorithm[:2]:
            case "ES":
                self.private = ec.generate_private_key(ec.SECP256R1())
            case "Ed":
                self.private = ed25519.Ed25519PrivateKey.generate()
            case _:
                self.private = rsa.generate_private_key(65537, 2048)
        self.public = {**kind.to_jwk(self.private.public_key(), as_dict=True), "kid": key_id}
        if says_algorithm:
            self.public["alg"] = algorithm

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token that is in order but for what `claims` says; None leaves a claim out."""
        now = time.time()
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "app_id": "demo",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        kept = {name: value for name, value in payload.items() if value is not None}
        # Not jwt.encode: it refuses to write what a test wants to see refused.
        return jwt.PyJWS().encode(
            json.dumps(kept).encode(),
            self.private,
            algorithm=self.algorithm,
            headers={"kid": self.key_id, **(headers or {})},
        )


class Provider:
    """An HTTP server that shows public keys, and counts who looks."""

    def __init__(self, *signers: Signer) -> None:
        self.shown: list[dict[str, Any]] = [signer.public for signer in signers]
        self.status = 200
        self.reads = 0
        self._server: TestServer | None = None

    async def start(self) -> str:
        """Serve, and return the URL of the keys."""
        app = web.Application()
        app.add_routes([web.get("/keys", self._keys)])
        self._server = TestServer(app)
        await self._server.start_server()
        return str(self._server.make_url("/keys"))

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _keys(self, _: web.Request) -> web.Response:
        self.reads += 1
        return web.json_response({"keys": self.shown}, status=self.status)


def jwt_settings(url: str = "", **given: Any) -> JwtSettings:
    return JwtSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=url, **given)


def write_keys(folder: Path, **entries: str) -> Path:
    """Lay a folder out as the kubelet mounts a Secret: the names are links, and one rename changes them all."""
    folder.mkdir(exist_ok=True)
    version = folder / f"..{secrets.token_hex(4)}"
    version.mkdir()
    for name, text in entries.items():
        (version / name).write_text(text)
    link = folder / "..new"
    link.symlink_to(version.name)
    link.rename(folder / "..data")
    for path in folder.iterdir():
        if not path.name.startswith("..") and path.name not in entries:
            path.unlink()
    for name in entries:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    return folder
