"""Signing secrets, as a Secret is mounted: a folder with a file per entry, each `whsec_` and base64.

In: the folder. Out: a signature with each of them, so that receivers may take the old or the new one while it is
changed. The folder is looked at for each signature: an entry comes and goes without a restart. No secret is logged.
"""

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from standardwebhooks import Webhook

_PREFIX: Final = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64
_MAX_CHARACTERS: Final = 256

logger = structlog.get_logger(__name__)


class SigningKeys:
    """The signing secrets of one endpoint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = None
        self._keys: list[Webhook] = []

    @property
    def usable(self) -> bool:
        """Whether there is one to sign with."""
        self._refresh()
        return bool(self._keys)

    def sign(self, event_id: str, sent_at: datetime, body: str) -> str:
        """Return the value of `webhook-signature`: a signature per secret, with spaces between; empty without any.

        Args:
            event_id: goes into `webhook-id`.
            sent_at: UTC; goes into `webhook-timestamp`, in whole seconds.
            body: the text that is sent.
        """
        self._refresh()
        return " ".join(key.sign(event_id, sent_at, body) for key in self._keys)

    def _refresh(self) -> None:
        try:
            # A mounted Secret has its versions in hidden folders; the names of its entries are links into the newest.
            paths = sorted(p for p in self._folder.iterdir() if not p.name.startswith(".") and p.is_file())
            seen = [(p.name, (s := p.stat()).st_ino, s.st_mtime_ns, s.st_size) for p in paths]
            if seen == self._seen:
                return
            texts = {path.name: path.read_text(errors="replace").strip() for path in paths}
        except OSError as error:
            # Also while the kubelet changes it: what was read last holds.
            if self._seen is None:
                logger.error("Signing secrets can't be read", folder=str(self._folder), error=str(error))  # noqa: TRY400 - the sentence says it all
                self._seen = ()
            return
        self._seen = seen
        self._keys = [Webhook(text) for name, text in texts.items() if self._usable(name, text)]
        write = logger.info if self._keys else logger.error
        write("Signing secrets are read", folder=str(self._folder), usable=len(self._keys))

    def _usable(self, name: str, text: str) -> bool:
        try:
            if not text.startswith(_PREFIX) or len(text) > _MAX_CHARACTERS:
                raise ValueError  # noqa: TRY301 - all faults of a secret are one
            encoded = text.removeprefix(_PREFIX)
            padded = encoded + "=" * (-len(encoded) % 4)
            size = len(base64.b64decode(padded, validate=True))
        except (ValueError, binascii.Error):
            size = 0
        if _LEAST_BYTES <= size <= _MOST_BYTES:
            return True
        logger.error(
            "A signing secret does not hold: it must be whsec_ and the base64 of 24 to 64 bytes",
            folder=str(self._folder),
            entry=name,
        )
        return False
