"""The first thing an attempt does: make the task's folder in the store its own, or find out why it can't.

In: the store and the configuration. Out: the book to record into, with what earlier attempts recorded. The
first attempt tries a store that doesn't answer again until a deadline, and ends when it says no, before
anybody is recorded into nothing. A later one goes on from a recording that is to be continued or closed: it waits
much longer, and also for a "no" to be mended.
"""

import asyncio

from egress_recorder import backoff
from egress_recorder.adoption import adopt_unlisted
from egress_recorder.context import Context
from egress_recorder.errors import (
    OutputExistsError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import Recording
from egress_recorder.store import Store


async def claim(context: Context, *, store: Store, manifest: ManifestStore) -> Recording:
    """Claim the folder and return the book of what has been recorded so far.

    Raises:
        OutputExistsError: the folder is another task's.
        FencedError: a later attempt has it.
        StoreRefusedError: the store said no, to a later attempt for as long as the settings' patience.
        StoreUnreachableError: it did not answer within that.
    """
    settings, later = context.settings, context.config.attempt > 1
    patience = settings.resume_patience_seconds if later else settings.store_patience_seconds
    deadline = context.clock.monotonic() + patience
    tries = 0
    while True:
        context.beat()
        try:
            return await _claim_once(context, store, manifest)
        except StoreError as error:
            if not later and not isinstance(error, StoreUnreachableError):
                raise
            tries += 1
            pause = backoff.pause(tries, ceiling=5.0)
            if context.clock.monotonic() + pause > deadline:
                kind = (
                    StoreUnreachableError if isinstance(error, StoreUnreachableError) else StoreRefusedError
                )
                raise kind(f"{error} It was tried {tries} times within {patience:.0f} s.") from None
            context.live.message = f"Waits for the store. {error}"
            context.log.warning("store-fails", tries=tries, error=str(error))
            await asyncio.sleep(pause)


async def _claim_once(context: Context, store: Store, manifest: ManifestStore) -> Recording:
    earlier = await manifest.read()
    recording = Recording(context.config, created_at=context.clock.now(), earlier=earlier)
    if earlier is None:
        await _refuse_others(store, recording)
    else:
        adopted, left = await adopt_unlisted(store, recording, context.config, earlier=earlier)
        context.log.info("resumed", segments=recording.listed, adopted=adopted, left_unlisted=left)
    await manifest.write(recording.manifest())
    return recording


async def _refuse_others(store: Store, recording: Recording) -> None:
    """Raise OutputExistsError where a folder without a manifest holds what this recording would write."""
    taken = [name for name in await store.names() if recording.would_write(name)]
    if taken:
        raise OutputExistsError(
            f"{store.url} already holds {min(taken)} and no manifest.json: it is not this task's, and is left as it is. "
            "Start another task with a name of its own, or move the old recording away."
        )
