"""Whatever happens, in whatever order: every event is taken, given up, dropped or pending, once in the books and in order.

A task's life, the receiver, the writes to the API server and the operator's deaths are drawn by hypothesis; the books
are the reconciler's and the sender's own code, without their I/O.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from egress_api.outbox import MAX_PENDING, EventType
from egress_api.states import State
from egress_api.status import EgressTaskStatus
from egress_api.webhooks import WebhookEvent
from egress_operator.keys import TaskKey
from egress_operator.webhooks.outbox import with_events, with_progress
from egress_operator.webhooks.record import Record, Subject, as_read
from support.operator_parts import NOW, at
from support.summaries import playlist

SUBJECT = Subject(key=TaskKey("media", "task"), uid="u", app_id="demo", request_id="r")
STEPS = [
    "file",
    "file",
    "file",
    "record",
    "stop",
    "fail",
    "deliver",
    "deliver",
    "refuse",
    "give up",
    "die",
    "write",
]


@dataclass
class Books:
    """The API server's status, the sender's record, and what the receiver has got."""

    status: EgressTaskStatus = field(default_factory=EgressTaskStatus)
    record: Record | None = None
    bodies: dict[int, set[str]] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    given_up: set[int] = field(default_factory=set)
    seconds: int = 0

    def change(self, new: EgressTaskStatus, *, fails: bool) -> None:
        """What the reconciler does with a decision; a write that fails is decided anew later, or never."""
        now = NOW + timedelta(seconds=self.seconds)
        with_new = with_events(self.status, new, wanted=list(EventType), now=now)
        if self.record is not None:
            with_new = with_progress(with_new, self.record.progress())
        if fails:
            return
        self.status = as_read(with_new)
        self.look()

    def look(self) -> None:
        webhooks = self.status.webhooks
        if webhooks is None or not webhooks.pending:
            self.record = None
        elif self.record is None:
            self.record = Record(subject=SUBJECT)
        if self.record is not None:
            self.record.read(self.status)

    def send(self, *, step: str) -> None:
        head = self.record.head if self.record is not None else None
        if self.record is None or head is None or self.record.blocked:
            return
        now = NOW + timedelta(seconds=self.seconds)
        body = SUBJECT.body(self.status, head.sequence)
        self.bodies.setdefault(head.sequence, set()).add(body)
        match step:
            case "deliver":
                self.taken.append(head.sequence)
                self.record.settle(head, now=now)
            case "give up":
                self.given_up.add(head.sequence)
                self.record.settle(head, now=now, given_up="nobody took it")
            case _:
                self.record.wait(until=now + timedelta(seconds=300), problem="HTTP 500", write=True)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), max_size=120))
def test_no_event_is_lost_and_none_has_two_bodies(story: list[tuple[str, bool]]) -> None:
    books, files = Books(), 0
    for step, fails in story:
        books.seconds += 1
        status = books.status
        match step:
            case "file" | "record" | "stop" | "fail" if status.state.terminal:
                pass
            case "file":
                files += 1
                new = playlist().model_copy(update={"name": f"{files}.m3u8"})
                books.change(status.model_copy(update={"files": [*status.files, new]}), fails=fails)
            case "record":
                books.change(status.model_copy(update={"state": State.PROCESSING}), fails=fails)
            case "stop" | "fail":
                state = State.STOPPED if step == "stop" else State.FAILED
                end = {"state": state, "stopped_at": at(200), "lost_seconds": 1.5}
                books.change(status.model_copy(update=end), fails=fails)
            case "write":
                books.change(status, fails=fails)
            case "die":
                books.record = None
                books.look()
            case _:
                books.send(step=step)
    _are_right(books)


def _are_right(books: Books) -> None:
    webhooks = books.status.webhooks
    if webhooks is None:
        assert not books.bodies
        return
    pending = [event.sequence for event in webhooks.pending]
    assert pending == sorted(set(pending))
    assert len(pending) <= MAX_PENDING
    # Every number is somewhere; those left out for want of room are counted, at the least.
    nowhere = set(range(1, webhooks.sequence + 1)) - set(pending) - set(books.taken) - books.given_up
    assert len(nowhere) <= webhooks.dropped
    assert webhooks.given_up <= len(books.given_up)
    assert {len(bodies) for bodies in books.bodies.values()} <= {1}
    # A number comes for the first time after all the smaller ones that ever came.
    firsts = list(dict.fromkeys(books.taken))
    assert firsts == sorted(firsts)
    ends = [event for event in webhooks.pending if event.type.final]
    kinds = {
        number: WebhookEvent.model_validate_json(next(iter(texts))).type
        for number, texts in books.bodies.items()
    }
    told = [number for number, kind in kinds.items() if kind.final]
    if books.status.state.terminal:
        assert len({event.sequence for event in ends} | set(told)) == 1, "how it ended is never dropped"
