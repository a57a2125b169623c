"""Sending: against a receiver on loopback that takes events, refuses them, is slow, moves away or goes for good."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from aiohttp import web
from prometheus_client import generate_latest
from standardwebhooks import Webhook

from egress_api.outbox import MAX_PENDING
from egress_api.states import State
from egress_api.status import EgressTaskStatus
from egress_api.tracing.spans import Span
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.task_spans import place_of
from egress_operator.task_traces import TaskTraces
from egress_operator.trace_settings import OperatorTracing
from egress_operator.webhooks.hand import HELD, Hand
from egress_operator.webhooks.post import Outcome, _meaning
from egress_operator.webhooks.record import Subject
from egress_operator.webhooks.schedule import LONGEST_SECONDS, PAUSES
from egress_operator.webhooks.sender import WORKERS
from egress_operator.webhooks.settings import WebhookSettings
from support.operator_parts import RECORDING, at, status
from support.webhook_desk import Desk
from support.webhook_receiver import NEWER, SECRET, Receiver, receiving, secret_folder, until

ENDED = status(State.STOPPED, recorded=True, reason="StopRequested", stopped_at=at(90))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def desk(request: pytest.FixtureRequest, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Desk]:
    secret_folder(tmp_path / "signing", SECRET)
    settings = WebhookSettings.model_validate(receiver.settings(tmp_path))
    found = Desk(settings, try_seconds=getattr(request, "param", 10))
    async with found.sender:
        yield found


def pending(written: EgressTaskStatus) -> list[int]:
    assert written.webhooks is not None
    return [event.sequence for event in written.webhooks.pending]


async def test_events_come_in_order_signed_and_named(desk: Desk, receiver: Receiver) -> None:
    desk.change("task", RECORDING)
    desk.change("task", ENDED)
    await until("three events", lambda: len(receiver.taken) == 3)
    assert receiver.unverified == []
    assert receiver.types == ["task.processing", "task.file", "task.stopped"]
    assert receiver.ids == ["evt_uid-task_1", "evt_uid-task_2", "evt_uid-task_3"]
    head = receiver.headers[0]
    assert head["webhook-timestamp"] == str(int(desk.now.timestamp()))
    assert (head["Content-Type"], head["User-Agent"]) == ("application/json", "egress-operator")
    data = receiver.taken[0].data
    assert (data.app_id, data.task_id, data.request_id, data.sequence) == ("demo", "task", "r1", 1)


async def test_each_try_is_a_span_of_the_task_s_trace_and_tells_the_receiver(
    desk: Desk, receiver: Receiver
) -> None:
    spans: list[Span] = []
    rules = OperatorTracing(endpoint="http://collector:4318")
    desk.sender._traces = TaskTraces(spans.append, rules=rules, clock=lambda: desk.now)
    receiver.answers = [503]
    desk.change("task", RECORDING)
    await until("a try", lambda: len(spans) == 1)
    await desk.idle()
    desk.later(5)
    await until("two events", lambda: len(receiver.taken) == 2 and len(spans) == 3)
    place = place_of("uid-task", "", sample_ratio=1)
    assert {(span.name, span.place.trace_id, span.parent_id) for span in spans} == {
        ("egress.webhook", place.trace_id, place.span_id)
    }
    assert [(span.attributes["egress.webhook.event"], span.error) for span in spans] == [
        ("task.processing", "HTTP 503"),
        ("task.processing", ""),
        ("task.file", ""),
    ]
    assert [head["traceparent"] for head in receiver.headers[-2:]] == [str(span.place) for span in spans[1:]]


async def test_what_is_delivered_waits_for_another_write_and_the_end_for_none(
    desk: Desk, receiver: Receiver
) -> None:
    desk.change("task", RECORDING)
    await until("two events", lambda: len(receiver.taken) == 2 and desk.due() is not None)
    assert desk.due() == pytest.approx(30)
    desk.now += timedelta(seconds=30)
    assert desk.due() == 0
    desk.change("task", ENDED)
    await until("the end", lambda: desk.rung and desk.rung[-1][1] == 0)
    assert len(receiver.taken) == 3
    assert pending(desk.write()) == []
    assert desk.due() is None
    assert desk.sender.progress(desk.subject()) is None, "nothing of it is remembered"


@pytest.mark.parametrize("answer", [500, 404, 302, 307, 429])
async def test_any_other_answer_is_tried_again_with_the_same_id_and_body(
    desk: Desk, receiver: Receiver, answer: int
) -> None:
    receiver.answers = [answer]
    receiver.headers_of_answers = {"Location": receiver.url}
    desk.change("task", status(State.PROCESSING))
    await until("a try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 1)
    desk.later(4)
    await desk.idle()
    assert len(receiver.got) == 1
    desk.later(1)
    await until("the second try", lambda: receiver.taken)
    assert receiver.got[0] == receiver.got[1]
    assert receiver.headers[0]["webhook-signature"] != receiver.headers[1]["webhook-signature"]


async def test_a_receiver_that_says_when_is_heeded(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = [429]
    receiver.headers_of_answers = {"Retry-After": "120"}
    desk.change("task", status(State.PROCESSING))
    await until("a try", lambda: desk.due() == 0)
    (event,) = (desk.write().webhooks or pytest.fail("no outbox")).pending
    assert (event.attempts, event.next_attempt_at) == (1, desk.now + timedelta(seconds=120))


@pytest.mark.parametrize("desk", [1], indirect=True)
async def test_no_answer_in_time_and_a_connection_that_breaks_are_failures(
    desk: Desk, receiver: Receiver
) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise web.HTTPInternalServerError

    receiver.answers = [hang, reset]
    desk.change("task", status(State.PROCESSING))
    await until("the first try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 1)
    desk.later(6)
    await until("the second try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 2)
    message = (desk.write().webhooks or pytest.fail("no outbox")).message
    assert message.startswith("event 1 (task.processing) was not taken, 2 times: ServerDisconnected")
    desk.later(301)
    await until("a delivery", lambda: receiver.taken)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:1/hooks/path-token?key=query-token", "ClientConnectorError (Connection refused)"),
        ("http://receiver-host.invalid/hooks/path-token", "ClientConnectorDNSError"),
        ("http://127.0.0.1:99999/path-token", "InvalidUrlClientError"),
    ],
)
async def test_what_is_said_of_a_failure_names_no_host_and_no_path(
    tmp_path: Path, url: str, problem: str
) -> None:
    secret_folder(tmp_path / "signing", SECRET)
    default = {"url": url, "secret": "signing"}
    desk = Desk(WebhookSettings.model_validate({"folder": tmp_path, "default": default}))
    with structlog.testing.capture_logs() as logs:
        async with desk.sender:
            for tries in (1, 2):
                desk.later(6) if tries > 1 else desk.change("task", status(State.PROCESSING))
                await until(
                    "a try", lambda n=tries: desk.sample("webhook_tries_total", outcome="failed") == n
                )
            await until("what is to be written", lambda: desk.due() == 0)
            message = (desk.write().webhooks or pytest.fail("no outbox")).message
    assert message == f"event 1 (task.processing) was not taken, 2 times: {problem}"
    assert "token" not in str(logs)
    assert "receiver-host" not in str(logs)


async def test_a_receiver_that_is_gone_is_logged_without_its_path(receiver: Receiver, tmp_path: Path) -> None:
    secret_folder(tmp_path / "signing", SECRET)
    receiver.answers = [410]
    settings = receiver.settings(tmp_path, url=f"{receiver.url}?key=query-token")
    desk = Desk(WebhookSettings.model_validate(settings))
    with structlog.testing.capture_logs() as logs:
        async with desk.sender:
            desk.change("task", status(State.PROCESSING))
            await until("the news", lambda: desk.due() == 0)
            workers = [task.get_name() for task in asyncio.all_tasks()]
    (gone,) = [entry for entry in logs if entry["event"] == "Webhook receiver is gone"]
    assert gone["receiver"] == receiver.url.removesuffix("/hooks")
    assert "hooks" not in str(workers).replace("webhooks", "")


async def test_an_answer_without_an_end_is_not_read(desk: Desk, receiver: Receiver) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    receiver.answers = [endless]
    desk.change("task", status(State.PROCESSING))
    await until("a delivery", lambda: desk.sample("webhook_tries_total", outcome="delivered") == 1)


async def test_a_restart_goes_on_where_the_schedule_was(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = [500, 500]
    desk.change("task", status(State.PROCESSING))
    await until(
        "a try", lambda: len(receiver.got) == 1 and desk.sample("webhook_tries_total", outcome="failed")
    )
    desk.later(5)
    await until("two tries", lambda: desk.due() == 0)
    desk.write()
    await desk.sender.close()
    desk.sender = desk.another()
    async with desk.sender:
        desk.later(60)
        await desk.idle()
        assert len(receiver.got) == 2
        desk.later(240)
        await until("a delivery", lambda: receiver.taken)
        assert len(receiver.bodies()) == 1
        assert len(receiver.bodies()["evt_uid-task_1"]) == 1


async def test_what_was_delivered_and_not_written_is_repeated_with_its_id(
    desk: Desk, receiver: Receiver
) -> None:
    desk.change("task", RECORDING)
    await until("two events", lambda: len(receiver.taken) == 2)
    await desk.sender.close()
    desk.sender = desk.another()
    async with desk.sender:
        desk.later(1)
        await until("both again", lambda: len(receiver.taken) == 4)
    assert {len(bodies) for bodies in receiver.bodies().values()} == {1}
    assert receiver.ids == ["evt_uid-task_1", "evt_uid-task_2"] * 2


async def test_after_the_last_pause_an_event_is_given_up_and_the_next_one_comes(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [500] * 10
    desk.change("task", RECORDING)
    for tries in range(1, 11):
        await until(f"try {tries}", lambda n=tries: desk.sample("webhook_tries_total", outcome="failed") == n)
        desk.later([*PAUSES, 0][tries - 1])
    await until("giving up", lambda: desk.due() == 0)
    await desk.idle()
    assert receiver.taken == [], "the next one waits until that is written"
    webhooks = desk.write().webhooks
    await until("the next event", lambda: receiver.types == ["task.file"])
    assert webhooks is not None
    assert webhooks.given_up == 1
    assert webhooks.message.startswith("event 1 (task.processing) was given up after 10 tries")
    assert webhooks.message.endswith("HTTP 500")
    assert desk.sample("webhooks_given_up_total") == 1


async def test_events_that_are_too_old_are_given_up_untried_all_at_once(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [500]
    desk.change("task", RECORDING)
    await until("a try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 1)
    await desk.sender.close()
    desk.now += timedelta(seconds=LONGEST_SECONDS)
    desk.sender = desk.another()
    async with desk.sender:
        desk.change("task", ENDED)
        await until("giving up", lambda: desk.sample("webhooks_given_up_total") == 2)
        await desk.idle()
        webhooks = desk.write().webhooks
        await until("the end, which is new", lambda: receiver.types == ["task.stopped"])
    assert webhooks is not None
    assert webhooks.given_up == 2
    assert webhooks.message == "event 2 (task.file) was given up four days after it happened"
    assert len(receiver.got) == 2


async def test_an_event_whose_next_try_would_be_too_late_is_given_up_with_its_last(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [500]
    desk.change("task", status(State.PROCESSING))
    desk.now += timedelta(seconds=LONGEST_SECONDS - 1)
    await until("giving up", lambda: desk.sample("webhooks_given_up_total") == 1)
    webhooks = desk.write().webhooks
    assert webhooks is not None
    assert webhooks.message == "event 1 (task.processing) was given up after 1 tries: HTTP 500"


async def test_a_receiver_that_is_gone_is_called_once(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = [410] * 20
    for number in range(20):
        desk.change(f"task-{number}", status(State.PROCESSING))
    await until("the news everywhere", lambda: all(desk.due(f"task-{n}") == 0 for n in range(20)))
    assert len(receiver.got) == 1
    written = desk.write("task-3")
    assert written.webhooks is not None
    assert written.webhooks.message.startswith("the receiver has answered 410 Gone")
    assert written.webhooks.pending[0].next_attempt_at is None
    desk.later(LONGEST_SECONDS + 1, "task-3")
    await until("the end of waiting", lambda: desk.sample("webhooks_given_up_total") == 1)
    assert len(receiver.got) == 1
    written = desk.write("task-3")
    assert pending(written) == []
    assert "four days after it happened: the receiver has answered 410 Gone" in str(written.webhooks)


async def test_after_a_restart_one_call_learns_that_it_is_gone_or_back(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [410]
    desk.change("task", status(State.PROCESSING))
    await until("the news", lambda: desk.due() == 0)
    desk.write()
    await desk.sender.close()
    desk.sender = desk.another()
    async with desk.sender:
        desk.later(60)
        await until("a delivery", lambda: receiver.taken)
        assert (desk.write().webhooks or pytest.fail("no outbox")).message == ""


async def test_a_receiver_that_hangs_holds_up_no_other(receiver: Receiver, tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    secret_folder(tmp_path / "signing", SECRET)
    async with receiving() as slow:
        slow.answers = [hang] * 50
        apps = {"stuck": {"url": slow.url, "secret": "signing"}}
        desk = Desk(
            WebhookSettings.model_validate({**receiver.settings(tmp_path), "apps": apps}), try_seconds=60
        )
        async with desk.sender:
            for number in range(50):
                desk.change(f"stuck-{number}", status(State.PROCESSING), app_id="stuck")
            await until("the slow one's first call", lambda: slow.got)
            for number in range(50):
                desk.change(f"task-{number}", status(State.PROCESSING))
            await until("all of the other's", lambda: len(receiver.taken) == 50)
            assert len(slow.got) == 1
            released.set()


async def test_every_secret_signs_and_a_new_one_is_taken_at_once(
    desk: Desk, receiver: Receiver, tmp_path: Path
) -> None:
    desk.change("one", status(State.PROCESSING))
    await until("the first", lambda: len(receiver.taken) == 1)
    secret_folder(tmp_path / "signing", SECRET, NEWER)
    receiver.secret = NEWER
    desk.change("two", status(State.PROCESSING))
    await until("the second", lambda: len(receiver.taken) == 2)
    assert receiver.unverified == []
    signatures = receiver.headers[1]["webhook-signature"].split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1"]
    Webhook(SECRET).verify(receiver.got[1][1], receiver.headers[1])


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "no-prefix" * 5, "whsec_!!!!" + "A" * 40])
async def test_without_a_usable_secret_nothing_is_sent_and_no_try_is_counted(
    receiver: Receiver, tmp_path: Path, text: str
) -> None:
    secret_folder(tmp_path / "signing", text)
    desk = Desk(WebhookSettings.model_validate(receiver.settings(tmp_path)))
    with structlog.testing.capture_logs() as logs:
        async with desk.sender:
            desk.change("task", status(State.PROCESSING))
            await until("the complaint", lambda: desk.due() == 0)
            written = desk.write().webhooks
            assert written is not None
            assert written.message == "there is no usable signing secret in the Secret signing"
            assert receiver.got == []
            secret_folder(tmp_path / "signing", SECRET)
            desk.later(30)
            await until("a delivery", lambda: receiver.taken)
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert told
    assert len(text) < 10 or text not in str(logs)


async def test_a_task_that_is_gone_is_forgotten_and_another_of_its_name_is_another(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [500]
    desk.change("task", status(State.PROCESSING))
    await until("a try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 1)
    desk.now += timedelta(seconds=3)
    assert desk.sender.oldest_seconds == pytest.approx(3, abs=0.01)
    other = Subject(key=TaskKey("media", "task"), uid="uid-other", app_id="demo", request_id="r2")
    desk.sender.offer(other, desk.written["task"])
    await until("the other's", lambda: receiver.taken)
    assert receiver.ids == ["evt_uid-task_1", "evt_uid-other_1"]
    desk.sender.drop(other.key)
    assert desk.sender.oldest_seconds == 0


async def test_of_many_that_wait_few_statuses_are_held_and_each_is_read_when_its_turn_comes(
    desk: Desk, receiver: Receiver
) -> None:
    async def released(request: web.Request) -> web.StreamResponse:
        await back.wait()
        return await receiver.take(request)

    back = asyncio.Event()
    receiver.answers = [released] * 8
    for number in range(200):
        desk.change(f"task-{number}", ENDED)
    await until("the first call", lambda: receiver.got)
    assert desk.held <= HELD + WORKERS
    back.set()
    await until("all events", lambda: len(receiver.taken) == 200 * 2)
    await desk.idle()
    assert desk.held == 0
    assert len(desk.read) >= 200 - HELD - WORKERS
    firsts = {f"task-{number}" for number in range(HELD)}
    assert not firsts & set(desk.read), "an event that has just happened costs no other look"


async def test_while_a_receiver_fails_no_status_is_held(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = [503] * 100
    for number in range(100):
        desk.change(f"task-{number}", ENDED)
    await until("every try", lambda: desk.sample("webhook_tries_total", outcome="failed") == 100)
    await desk.idle()
    assert desk.held == 0
    receiver.answers = []
    for number in range(100):
        desk.later(0, f"task-{number}")
    await desk.idle()
    assert desk.held == 0, "none is due"


async def test_a_status_that_nobody_brings_is_asked_for_again() -> None:
    rung: list[TaskKey] = []
    hand = Hand(lambda key, _: rung.append(key), seconds=0.05)
    key = TaskKey("media", "task")
    assert await hand.get(key) is None
    hand.offer(key, ENDED)
    assert await hand.get(key) == ENDED
    hand.drop(key)
    asked = asyncio.create_task(hand.get(key))
    await until("the question", lambda: len(rung) == 2)
    hand.close()
    assert await asked is None


async def test_a_task_that_is_over_is_looked_at_when_its_event_is_given_up_at_the_latest(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [503]
    desk.change("task", ENDED)
    assert desk.rung == [(TaskKey("media", "task"), LONGEST_SECONDS)]


async def test_the_tries_and_the_pause_of_an_event_left_out_are_not_the_next_ones(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = [503]
    receiver.headers_of_answers = {"Retry-After": "7200"}
    names = [f"file-{number}.m3u8" for number in range(MAX_PENDING + 2)]
    file = RECORDING.files[0]
    files = [file.model_copy(update={"name": name}) for name in names]
    desk.change("task", status(State.ENQUEUED, files=files[:1]))
    await until("a try", lambda: desk.due() == 0)
    # Nobody has written that it waits, when there is no room for it any more.
    desk.change("task", status(State.ENQUEUED, files=files))
    await until("all others", lambda: len(receiver.taken) == MAX_PENDING)
    assert [event.data.sequence for event in receiver.taken] == list(range(3, MAX_PENDING + 3))
    written = desk.write().webhooks
    assert written is not None
    assert (written.pending, written.dropped, written.message) == ([], 2, "")


async def test_an_app_without_a_receiver_has_nothing_sent(desk: Desk, receiver: Receiver) -> None:
    only = WebhookSettings.model_validate(
        {"folder": desk.settings.folder, "apps": {"demo": desk.settings.default}}
    )
    other = Desk(only)
    async with other.sender:
        desk.change("task", RECORDING)
        other.sender.offer(other.subject(app_id="else"), desk.written["task"])
        assert other.sender.progress(other.subject(app_id="else")) is None
        await until("the first desk's own", lambda: len(receiver.taken) == 2)
    assert other.sample("webhook_tries_total", outcome="delivered") == 0


def test_the_age_of_the_oldest_event_is_a_figure() -> None:
    metrics = Metrics()
    metrics.observe_webhooks(oldest=lambda: 12.5)
    text = generate_latest(metrics.registry).decode()
    assert "egress_operator_webhook_oldest_seconds 12.5" in text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 23 Nov 2026 05:13:22 GMT", 120.0),
        ("Mon, 23 Nov 2026 05:11:02 GMT", -20.0),
        ("99999999999999999999", 999999999.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_what_a_receiver_may_ask_for(text: str | None, seconds: float | None) -> None:
    answer = _meaning(503, text, now=at(0))
    assert (answer.outcome, answer.retry_after_seconds) == (Outcome.FAILED, seconds)


async def test_after_its_end_a_sender_takes_nothing(desk: Desk, receiver: Receiver) -> None:
    await desk.sender.close()
    desk.change("task", RECORDING)
    assert desk.sender.oldest_seconds == 0
    assert receiver.got == []
