"""Where events go: what the administrator may set, and how long a finished task waits for its events to be told."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from egress_api.outbox import EventType, PendingEvent, WebhookStatus
from egress_api.states import State
from egress_operator.decide import decide
from egress_operator.errors import SettingsError
from egress_operator.settings import Settings
from egress_operator.webhooks.settings import Endpoint, WebhookSettings
from support.operator_parts import SETTINGS, actions_text, at, status, task

FILE = """
store: {url: "s3://recordings"}
recorder: {image: "egress-recorder:1"}
webhooks:
  default: {url: "https://app.example/hooks", secret: signing}
  apps: {My.App: {url: "http://app.media:8080", secret: of-my-app, events: [task.stopped]}}
"""


def test_the_file_in_the_words_of_the_chart(tmp_path: Path) -> None:
    path = tmp_path / "operator.yaml"
    path.write_text(FILE)
    webhooks = Settings.load(path).webhooks
    mine, other = webhooks.of("My.App"), webhooks.of("other")
    assert mine is not None
    assert other is not None
    assert (mine.url, mine.secret, mine.events) == (
        "http://app.media:8080",
        "of-my-app",
        [EventType.STOPPED],
    )
    assert (other.url, other.events) == ("https://app.example/hooks", list(EventType))


def test_what_is_wrong_is_named_as_it_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "operator.yaml"
    path.write_text(FILE.replace("task.stopped", "task.paused"))
    with pytest.raises(SettingsError, match=r"webhooks\.apps\..*events\.0: Input should be"):
        Settings.load(path)


def test_without_a_default_other_apps_get_nothing() -> None:
    only = WebhookSettings(apps={"a": Endpoint(url="https://a.example", secret="signing")})
    assert only.of("a") is not None
    assert only.of("b") is None
    assert WebhookSettings().of("a") is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example",
        "https://",
        "https:///x",
        "https://user:word@app.example/",
        "https://a b",
        "app.example",
    ],
)
def test_urls_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        Endpoint(url=url, secret="signing")


@pytest.mark.parametrize("secret", ["", "../other", "a/b", "Signing", ".hidden"])
def test_a_secrets_name_leads_nowhere_else(secret: str) -> None:
    with pytest.raises(ValidationError, match="secret"):
        Endpoint(url="https://app.example", secret=secret)


HOOKED = SETTINGS.model_copy(
    update={
        "ttl_seconds_after_finished": 60,
        "webhooks": WebhookSettings(apps={"demo": Endpoint(url="https://a.example", secret="s")}),
    }
)
PENDING = WebhookStatus(
    sequence=1, pending=[PendingEvent(sequence=1, type=EventType.STOPPED, at=at(90), state=State.STOPPED)]
)


@pytest.mark.parametrize(
    ("webhooks", "settings", "now", "does"),
    [
        (PENDING, HOOKED, at(1000), ""),
        (PENDING, HOOKED, at(0) + timedelta(days=4, seconds=120), "delete task"),
        (WebhookStatus(sequence=1), HOOKED, at(1000), "delete task"),
        (None, HOOKED, at(1000), "delete task"),
        (PENDING, HOOKED.model_copy(update={"webhooks": WebhookSettings()}), at(1000), "delete task"),
    ],
    ids=["not told yet", "four days later", "told", "never told of", "nobody to tell any more"],
)
def test_a_finished_task_is_deleted_when_its_end_has_been_told(
    webhooks: Any, settings: Settings, now: datetime, does: str
) -> None:
    ended = task(status(State.STOPPED, stopped_at=at(90), webhooks=webhooks), stop=True)
    assert actions_text(decide(ended, None, now=now, settings=settings)) == does


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example/hooks/x?y=/z", "https://app.example"),
        ("http://app.example:8080", "http://app.example:8080"),
        ("http://app.example?token=a/b", "http://app.example"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
    ],
)
def test_of_a_receiver_scheme_and_host_may_be_logged(url: str, origin: str) -> None:
    assert Endpoint(url=url, secret="signing").origin == origin
