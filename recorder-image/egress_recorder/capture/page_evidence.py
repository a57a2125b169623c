"""What is kept of a page that could not be recorded, for whoever asks why: a picture of it, and its console.

In: the browser, the facts, the error. Out: two files in the spool and an event for each. Best effort: a page that
has crashed has no picture, nor has one that never was there: the browser's own error page shows the whole URL.
Must not: fail, take long, or write a URL's query, which may hold a token.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from egress_api.status import FileKind
from egress_recorder.capture.browser import Browser
from egress_recorder.capture.errors import CaptureError
from egress_recorder.capture.events import Event, Evidence
from egress_recorder.capture.logs import redact
from egress_recorder.capture.page_watch import PageFacts
from egress_recorder.capture.page_words import without_queries

log = logging.getLogger(__name__)

PICTURE_SECONDS = 3.0


async def keep_evidence(
    browser: Browser,
    facts: PageFacts,
    error: CaptureError,
    *,
    spool: Path,
    emit: Callable[[Event], None],
    picture: bool = True,
) -> None:
    """Write page.json and, if it is wanted and the page can still be drawn, page.png."""
    story = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "url": redact(without_queries(facts.unreachable or facts.url)),
        "reason": error.reason,
        "message": redact(without_queries(error.message)),
        "httpStatus": facts.http_status,
        "loaded": facts.loaded,
        "painted": facts.painted,
        "console": [redact(line) for line in facts.lines],
    }
    text = json.dumps(story, ensure_ascii=False, indent=1) + "\n"
    await _keep(spool / "page.json", text.encode(), FileKind.PAGE_LOG, emit)
    # `failed` is known before the error page is shown, `unreachable` only then
    if facts.failed is not None or facts.unreachable is not None or facts.crashed or not picture:
        return
    try:
        shot = await browser.call(
            browser.client.send.Page.captureScreenshot, {"format": "png"}, seconds=PICTURE_SECONDS
        )
    except (TimeoutError, RuntimeError, ConnectionError) as problem:
        log.info("no picture of the page: %r", problem)
    else:
        await _keep(spool / "page.png", base64.b64decode(shot["data"]), FileKind.SCREENSHOT, emit)


async def _keep(path: Path, data: bytes, kind: FileKind, emit: Callable[[Event], None]) -> None:
    try:
        await asyncio.to_thread(path.write_bytes, data)
    except OSError as problem:
        log.warning("%s could not be written: %s", path.name, problem)
    else:
        emit(Evidence(path=path.name, kind=kind))
