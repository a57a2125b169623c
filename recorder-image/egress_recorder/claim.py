"""The first thing an attempt does: make the task's folder in the store its own, or find out why it can't.

In: the store and the configuration. Out: the book to record into, with what earlier attempts recorded. A
store that doesn't answer is tried again until a deadline; one that says no ends the attempt, before
anybody is recorded into nothing.
"""

import asyncio

from egress_recorder import backoff
from egress_recorder.adoption import adopt_unlisted
from egress_recorder.context import Context
from egress_recorder.errors import StoreUnreachableError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import Recording
from egress_recorder.store import Store


async def claim(context: Context, *, store: Store, manifest: ManifestStore) -> Recording:
    """Claim the folder and return the book of what has been recorded so far.

    Raises:
        OutputExistsError: the folder is another task's.
        FencedError: a later attempt has it.
        StoreRefusedError: the store said no.
        StoreUnreachableError: it did not answer within the settings' patience.
    """
    patience = context.settings.store_patience_seconds
    deadline = context.clock.monotonic() + patience
    tries = 0
    while True:
        context.beat()
        try:
            return await _claim_once(context, store, manifest)
        except StoreUnreachableError as error:
            tries += 1
            pause = backoff.pause(tries, ceiling=5.0)
            if context.clock.monotonic() + pause > deadline:
                raise StoreUnreachableError(
                    f"{error} It was tried {tries} times within {patience:.0f} s."
                ) from None
            context.log.warning("store-unreachable", tries=tries, error=str(error))
            await asyncio.sleep(pause)


async def _claim_once(context: Context, store: Store, manifest: ManifestStore) -> Recording:
    earlier = await manifest.read()
    recording = Recording(context.config, created_at=context.clock.now(), earlier=earlier)
    if earlier is not None:
        adopted, left = await adopt_unlisted(store, recording, context.config, earlier=earlier)
        context.log.info("resumed", segments=recording.listed, adopted=adopted, left_unlisted=left)
    await manifest.write(recording.manifest())
    return recording
