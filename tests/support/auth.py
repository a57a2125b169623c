"""What the tests of authentication hold in their hands: API keys, an identity provider of their own, its tokens."""

import base64
import hashlib
import json
import secrets
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
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

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Serve, and return the URL of the keys."""
        app = web.Application()
        app.add_routes([web.get("/keys", self._keys)])
        self._server = TestServer(app, scheme="https" if tls else "http")
        await self._server.start_server(ssl=tls)
        return str(self._server.make_url("/keys"))

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _keys(self, _: web.Request) -> web.Response:
        self.reads += 1
        return web.json_response({"keys": self.shown}, status=self.status)


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for this machine that nobody knows; return it, and what serves with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an issuer of one's own")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, both = folder / "ca.crt", folder / "both.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + shown.read_bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return shown, context


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
