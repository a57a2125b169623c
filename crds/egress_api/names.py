"""Names that are derived, never stored: the same inputs give the same name, so a repeat finds the first.

Every name is a valid Kubernetes name. Task names carry 100 bits of SHA-256: two starts never meet by chance.
"""

import base64
import hashlib
import json
from typing import Any, Final

_TASK_HASH_CHARS: Final = 20
MAX_TASK_NAME: Final = 57
"""A Pod name is the task's with `-` and an attempt of up to 5 digits, within 63 characters."""


def task_name(*, app_id: str, request_id: str) -> str:
    """Return the name of the task that this app's request makes, 21 characters of [a-z0-9]."""
    digest = hashlib.sha256(f"{app_id}\0{request_id}".encode()).digest()
    return "t" + base64.b32encode(digest).decode().lower()[:_TASK_HASH_CHARS]


def token_secret_name(task: str) -> str:
    """Return the name of the Secret that holds the task's access token."""
    return f"{task}-token"


def pod_name(task: str, *, attempt: int) -> str:
    """Return the name of the Pod of an attempt; attempts count from 1."""
    return f"{task}-{attempt}"


def request_digest(body: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a start's body, the same however its keys were ordered.

    The access token is part of it: a start with another token is another request. Tokens are signed and
    long, so the digest doesn't give them away.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
