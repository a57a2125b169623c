"""docs/webhooks.md says what the code does: its bodies, its receiver, its schedule, its values."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from egress_api.outbox import MAX_PENDING, EventType
from egress_api.webhooks import MAX_BODY_BYTES, EventData, WebhookEvent
from egress_operator.webhooks.post import TRY_SECONDS
from egress_operator.webhooks.record import WRITTEN_AFTER_SECONDS
from egress_operator.webhooks.schedule import LONGEST_SECONDS, PAUSES
from egress_operator.webhooks.sender import WORKERS
from egress_operator.webhooks.settings import WebhookSettings
from support.webhook_receiver import SECRET

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
BODIES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(2))
def test_the_bodies_are_bodies(number: int) -> None:
    event = WebhookEvent.model_validate_json(BODIES[number])
    assert event.data.model_extra is None
    assert json.loads(event.to_json()) == json.loads(BODIES[number])


def test_the_last_body_shows_every_field() -> None:
    shown = {name for body in BODIES for name in json.loads(body)["data"]}
    assert shown == set(EventData.model_fields)


def test_every_event_is_in_the_table() -> None:
    assert re.findall(r"^\| `(task\.\w+)`", PAGE, re.MULTILINE) == [kind.value for kind in EventType]


def test_the_values_are_settings() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = WebhookSettings.model_validate(yaml.safe_load(text)["webhooks"])
    other, default = settings.of("other-app"), settings.of("my-app")
    assert other is not None
    assert default is not None
    assert other.events == [EventType.STOPPED, EventType.FAILED, EventType.TIMEOUT]
    assert default.url == "https://app.example/egress-events"


def test_the_figures_are_the_codes() -> None:
    words = " ".join(PAGE.split())
    minutes, hours = 60, 3600
    first = f"after {PAUSES[0]} s, then {PAUSES[1] // minutes} and {PAUSES[2] // minutes} minutes, then "
    rest = [str(pause // hours) for pause in PAUSES[3:]]
    assert f"{first}{', '.join(rest[:-1])} and {rest[-1]} hours" in words
    assert 4 * 24 * hours == LONGEST_SECONDS
    assert f"within {TRY_SECONDS:g} s" in words
    assert f"after {WRITTEN_AFTER_SECONDS:g} s" in words
    assert f"at most {MAX_PENDING}" in words
    assert f"at most {MAX_BODY_BYTES // 1000} kB" in words
    assert WORKERS == 8
    assert len(PAUSES) + 1 == 10


async def test_the_receiver_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signing-key").write_text(SECRET)
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/webhooks.md", "exec"), names)
    application: web.Application = names["app"]
    now = datetime.now(UTC)
    body = WebhookEvent.model_validate_json(BODIES[0]).to_json()
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt_1", now, body),
    }
    async with TestClient(TestServer(application)) as client:
        for _ in range(2):
            answer = await client.post("/egress-events", data=body, headers=headers)
            assert answer.status == 204
        answer = await client.post("/egress-events", data=body + " ", headers=headers)
        assert answer.status == 401
    assert capsys.readouterr().out == "task.file t4fyx2mvwzd6hqk3n5lrc 2\n"
