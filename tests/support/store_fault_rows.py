"""The fault table's rows on the store: what it does to a recorder, and that the recording has everything all the same.

In: a `StorePlace`, whose recorders reach the store through a fault proxy, and rows as data. Rows run beside one another
at one proxy: each fault is for its own task's objects, but for a store that is down, which is down for everybody.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from egress_api.states import GapReason
from egress_cluster.deploy import STORE_SECRET
from support import breaking, store_faults
from support.fault_rows import REPLACED
from support.faults import SEGMENT_SECONDS, Expected, Fault, Place, Run
from support.store_faults import FaultsInCluster, Rule

FAULT_SECONDS = 15.0
DOWN_SECONDS = 60.0
FULL_SECONDS = 50.0
TELLING_SECONDS = 30.0
"""Within which the status must say that uploads fail."""
HEALING_SECONDS = 90.0
"""Within which all that waited must be in the store, once it is well again."""
KUBELET_SECONDS = 120.0
"""Until a changed Secret is in a running Pod."""
OVER_SECONDS = 10.0
"""Beyond a Pod's grace period."""
LOOK_SECONDS = 0.5
SLOW = Rule("slow", bytes_per_second=6_000)
"""A tenth of what these recordings make."""

Status = dict[str, Any]


@dataclass(kw_only=True)
class Rules:
    """What one proxy does to whom; rows come and go at any time."""

    proxy: FaultsInCluster
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_task: dict[str, Rule] = field(default_factory=dict)

    @contextmanager
    def also(self, run: Run, rule: Rule) -> Iterator[None]:
        """Do this to a task's objects inside the block; a store that is down is down for all."""
        own = rule if rule.fault == "down" else replace(rule, key=f"/{run.fault.app}/{run.task}/")
        self._set(run.task, own)
        try:
            yield
        finally:
            self._set(run.task, None)

    def _set(self, task: str, rule: Rule | None) -> None:
        with self._lock:
            self._by_task.pop(task, None)
            if rule is not None:
                self._by_task[task] = rule
            self.proxy.set(*self._by_task.values())


@dataclass(frozen=True, kw_only=True)
class StorePlace(Place):
    """A place whose store can be made to fail."""

    rules: Rules


def fails(
    rule: Rule, *, told: str = "", waits: bool = True, seconds: float = FAULT_SECONDS
) -> Callable[[Run], None]:
    """Make a fault that lasts `seconds`; meanwhile the status must tell of it, and that bytes wait, if `waits`."""

    def make(run: Run) -> None:
        assert isinstance(run.place, StorePlace)
        with run.place.rules.also(run, rule):
            watch(run, told=told, waits=waits, seconds=seconds)
        heal(run)

    return make


def stop_without_a_store(run: Run) -> None:
    """Ask for the end while the store is away, and bring it back when a deleted Pod would have been killed."""
    assert isinstance(run.place, StorePlace)
    with run.place.rules.also(run, Rule("close")):
        watch(run, told="StoreUnreachable", waits=True, seconds=0)
        run.stop()
        run.until_state("STOPPING")
        outlast_the_grace_period(run)


def delete_while_uploading(run: Run) -> None:
    """Delete the Pod while what it has recorded waits, and let the store be as fast as before once it is ending."""
    assert isinstance(run.place, StorePlace)
    pod = run.pod_name()
    with run.place.rules.also(run, SLOW):
        # each takes several times as long to be stored, so one is always on its way
        breaking.let_pass(2 * SEGMENT_SECONDS)
        breaking.delete_pod(run)
        run.until("it is told to end", lambda _: ending(run, pod))


def ending(run: Run, name: str) -> bool:
    """Tell whether a Pod is being deleted, or gone already."""
    return all(
        "deletionTimestamp" in pod["metadata"]
        for pod in run.tasks.pods(run.task)
        if pod["metadata"]["name"] == name
    )


def stop_before_the_store_goes(run: Run) -> None:
    """Ask for the end while all is well but slow, and take the store away while the rest is being uploaded."""
    assert isinstance(run.place, StorePlace)
    with run.place.rules.also(run, SLOW):
        breaking.let_pass(2 * SEGMENT_SECONDS)
        run.stop()
        run.until_state("STOPPING")
        with run.place.rules.also(run, Rule("close")):
            outlast_the_grace_period(run)


def outlast_the_grace_period(run: Run) -> None:
    """Wait until a deleted Pod would have been killed; this one must still be there."""
    since, grace = time.monotonic(), run.pod()["spec"]["terminationGracePeriodSeconds"]
    run.until(
        "the recorder has stayed for longer than its grace period",
        lambda _: time.monotonic() - since > grace + OVER_SECONDS,
        seconds=grace + 3 * OVER_SECONDS,
    )
    assert "deletionTimestamp" not in run.pod()["metadata"], "its Pod was deleted, not told to stop"


def lose_the_key(run: Run) -> None:
    """Put a key into the Secret that the store does not know, and the right one back when the status has told of it."""
    kubectl = run.tasks.kubectl
    right = kubectl.get("secret", STORE_SECRET)["data"]["aws_secret_access_key"]
    wrong = "d3JvbmctYmVjYXVzZS1leHBpcmVk"
    try:
        give_key(run, wrong)
        watch(run, told="StoreRefused", waits=True, seconds=0, within=KUBELET_SECONDS)
    finally:
        give_key(run, right)
    heal(run, within=KUBELET_SECONDS)


def give_key(run: Run, encoded: str) -> None:
    """Change the Secret, as whoever rotates keys does."""
    patch = f'{{"data":{{"aws_secret_access_key":"{encoded}"}}}}'
    run.tasks.kubectl.run("patch", "secret", STORE_SECRET, "--type=merge", f"--patch={patch}")
    # the kubelet looks at a Pod's Secrets once a minute, and whenever the Pod itself has changed
    run.tasks.kubectl.run("annotate", "pod", run.pod_name(), "--overwrite", f"test/rotated={time.time()}")


def watch(run: Run, *, told: str, waits: bool, seconds: float, within: float = TELLING_SECONDS) -> None:
    """Look at the status for so long, and until it has told all that it must; the recorder stays as it is."""
    began = time.monotonic()
    seen_reasons: set[str] = set()
    most = 0
    while True:
        status = run.status()
        assert status["state"] == "PROCESSING", f"the recording did not go on: {status}"
        seen_reasons.add(upload_trouble(status))
        most = max(most, status.get("pendingBytes", 0))
        missing = [
            *([told] if told not in seen_reasons else []),
            *(["pendingBytes"] if waits and not most else []),
        ]
        spent = time.monotonic() - began
        if spent >= seconds and not missing:
            return
        assert spent < max(seconds, within), f"the status never told of {missing}: {status}"
        time.sleep(LOOK_SECONDS)


def heal(run: Run, *, within: float = HEALING_SECONDS) -> None:
    """Wait until the status says that nothing waits and nothing fails."""

    def well(status: Status) -> bool:
        return not status.get("pendingBytes") and not upload_trouble(status)

    run.until("everything that waited is in the store", well, seconds=within)


def upload_trouble(status: Status) -> str:
    """Return the reason for which uploads fail, as the condition says it; empty where they don't."""
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    uploaded = conditions.get("Uploaded", {})
    return str(uploaded["reason"]) if uploaded.get("status") == "False" else ""


STORE = [
    Fault(
        name="store too busy",
        says="The store answers 503 SlowDown",
        make=fails(store_faults.SLOW_DOWN, told="StoreUnreachable"),
    ),
    Fault(
        name="store resets connections",
        says="The store's connections are reset in the middle",
        make=fails(store_faults.RESET, told="StoreUnreachable"),
    ),
    Fault(
        name="store damages objects",
        says="An object arrives at the store with a wrong checksum",
        make=fails(Rule("corrupt", methods=("PUT",)), told="StoreUnreachable"),
    ),
    Fault(
        name="store has other checksums",
        says="The store's ETags are not the objects' MD5",
        make=fails(Rule("wrong-etag"), waits=False),
    ),
    Fault(
        name="credentials expired",
        says="The store answers 400 ExpiredToken",
        make=fails(store_faults.EXPIRED, told="StoreRefused"),
    ),
    Fault(
        name="bucket gone",
        says="The bucket is gone, and comes back",
        make=fails(store_faults.NO_BUCKET, told="StoreRefused"),
    ),
    Fault(
        name="store slow",
        says="The store takes less than is recorded",
        make=fails(SLOW, waits=False),
    ),
    Fault(
        name="Pod deleted while it uploads",
        says="The Pod is deleted while the store takes less than is recorded",
        make=delete_while_uploading,
        expected=replace(REPLACED, lost_seconds=30.0),
    ),
    Fault(
        name="store down",
        says="The store is away for a minute",
        make=fails(Rule("close"), told="StoreUnreachable", seconds=DOWN_SECONDS),
    ),
    Fault(
        name="stop without a store",
        says="Stop, while the store is away for longer than the Pod's grace period",
        make=stop_without_a_store,
        after=0,
    ),
    Fault(
        name="store goes after the stop",
        says="The store goes away after the stop, for longer than the Pod's grace period",
        make=stop_before_the_store_goes,
        after=0,
    ),
]
"""With a spool that is large enough: nothing is missing."""

SMALL_SPOOL = {"spoolSize": "1Mi", "spoolMedium": "Memory"}
"""The chart's values for recorders, under `recorder`: half a minute of these recordings."""
FULL = [
    Fault(
        name="disk full",
        says="The store is away until the spool's disk is full",
        make=fails(store_faults.DOWN, told="StoreUnreachable", seconds=FULL_SECONDS),
        expected=Expected(gaps=(GapReason.SPOOL_FULL,), gaps_repeat=True, lost_seconds=FULL_SECONDS),
    ),
]

KEYS = [
    Fault(
        name="credentials rotated",
        says="The store's key in the Secret becomes wrong, and is put right while it records",
        make=lose_the_key,
    ),
]
"""Alone in its namespace: the Secret is everybody's."""

ROWS = [*STORE, *FULL, *KEYS]
