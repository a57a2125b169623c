"""What the demo's servers are called and which keys they take, read from the manifests that start them.

In: `cluster/demo/*.yaml`. Out: `LiveKit` and `Store`. There is no second copy of these values anywhere in the
tests, so a changed manifest cannot be forgotten here.
"""

import base64
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

DEMO_FOLDER = Path(__file__).resolve().parents[2] / "cluster" / "demo"
NAMESPACE = "egress-demo"
LIVEKIT_PORT = 7880
STORE_ON_HOST = "http://127.0.0.1:8092"
"""The demo's S3 server as the host sees it (node port 30092)."""


class DemoError(LookupError):
    """The demo's manifests do not hold what the tests need from them."""


@dataclass(frozen=True, kw_only=True)
class LiveKit:
    """The demo's RTC server, as Pods reach it."""

    url: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Store:
    """The demo's S3 server, as this host reaches it."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


@cache
def publisher() -> ModuleType:
    """Import cluster/demo/publisher.py: its constants say where flash, strip and beep are."""
    spec = importlib.util.spec_from_file_location("egress_demo_publisher", DEMO_FOLDER / "publisher.py")
    if spec is None or spec.loader is None:
        raise DemoError(f"{DEMO_FOLDER / 'publisher.py'} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def livekit(folder: Path = DEMO_FOLDER) -> LiveKit:
    """Read the RTC server's key, secret and address inside the cluster."""
    documents = list(_documents(folder))
    for document in documents:
        for value in _texts(document).values():
            config = yaml.safe_load(value) if "keys:" in value else None
            if isinstance(config, dict) and config.get("keys"):
                key, secret = next(iter(config["keys"].items()))
                return LiveKit(url=_livekit_url(documents, folder), key=key, secret=secret)
    raise DemoError(f"no ConfigMap or Secret in {folder}/*.yaml holds a livekit config with `keys:`")


def store(folder: Path = DEMO_FOLDER) -> Store:
    """Read the S3 server's credentials."""
    for document in _documents(folder):
        texts = {name.lower(): value for name, value in _texts(document).items()}
        for access, secret in (
            ("aws_access_key_id", "aws_secret_access_key"),
            ("root_access_key", "root_secret_key"),
        ):
            if access in texts and secret in texts:
                return Store(endpoint=STORE_ON_HOST, access_key=texts[access], secret_key=texts[secret])
    raise DemoError(f"no Secret in {folder}/*.yaml holds aws_access_key_id and aws_secret_access_key")


def _livekit_url(documents: list[dict[str, Any]], folder: Path) -> str:
    for document in documents:
        if document.get("kind") == "Service":
            metadata = document["metadata"]
            for port in document["spec"]["ports"]:
                if port["port"] == LIVEKIT_PORT:
                    return f"ws://{metadata['name']}.{metadata.get('namespace', NAMESPACE)}:{LIVEKIT_PORT}"
    raise DemoError(f"no Service in {folder}/*.yaml has port {LIVEKIT_PORT}")


def _texts(document: dict[str, Any]) -> dict[str, str]:
    if document.get("kind") not in {"ConfigMap", "Secret"}:
        return {}
    data = document.get("data") or {}
    if document["kind"] == "Secret":
        data = {name: base64.b64decode(value).decode() for name, value in data.items()}
    return {**data, **(document.get("stringData") or {})}


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict):
                yield from document["items"] if document.get("kind") == "List" else [document]
