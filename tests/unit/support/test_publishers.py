"""The publisher Pod: what it mounts, what it is told, and that it carries no key."""

import base64
import json
from pathlib import Path

import pytest

from support import demo, publishers

MANIFESTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: livekit, namespace: egress-demo}
data:
  livekit.yaml: |
    port: 7880
    keys:
      devkey: a-secret-of-thirty-two-characters
---
apiVersion: v1
kind: Service
metadata: {name: rtc, namespace: egress-demo}
spec: {ports: [{name: tcp, port: 7881}, {name: ws, port: 7880}]}
---
apiVersion: v1
kind: Secret
metadata: {name: store, namespace: egress-demo}
stringData: {aws_access_key_id: demo, aws_secret_access_key: demo-secret}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "servers.yaml").write_text(MANIFESTS)
    return tmp_path


def test_keys_and_address_come_from_the_manifests(manifests: Path) -> None:
    assert demo.livekit(manifests) == demo.LiveKit(
        url="ws://rtc.egress-demo:7880", key="devkey", secret="a-secret-of-thirty-two-characters"
    )
    assert demo.store(manifests) == demo.Store(
        endpoint=demo.STORE_ON_HOST, access_key="demo", secret_key="demo-secret"
    )


def test_missing_keys_are_said_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(demo.DemoError, match=str(tmp_path)):
        demo.livekit(tmp_path)


def test_secrets_do_not_show_in_a_repr(manifests: Path) -> None:
    assert "thirty-two" not in repr(demo.livekit(manifests))
    assert "demo-secret" not in repr(demo.store(manifests))


def test_a_persons_words_survive_the_command_line() -> None:
    person = publishers.user("user2", hue=220, tone=880, size="320x180", fps=10, join=5, drift=-200)

    again = demo.publisher().Person.parse(publishers._as_argument(person))

    assert again == person
    assert person.beep == 2640


def test_a_clock_that_drifts_is_right_when_it_starts() -> None:
    clock = demo.publisher().Clock(drift=200, start=1000.0)

    assert clock.at(1000.0) == 1000.0
    assert clock.at(1600.0) == pytest.approx(1600.12)


def test_the_pod_says_who_publishes_and_when() -> None:
    pod = publishers.pod(
        "people",
        room="room1",
        people=publishers.two_users(),
        plan=[(10, "user2", "camera-off")],
        duration_seconds=60,
    )

    container = pod["spec"]["containers"][0]
    assert container["args"] == [
        "--room=room1",
        "--duration=60",
        "--stdin",
        "--user=identity=user1,size=640x360,fps=15,hue=0,tone=440,beep=1320,codec=vp8,simulcast=0,join=0,drift=0",
        "--user=identity=user2,size=640x360,fps=15,hue=220,tone=880,beep=2640,codec=vp8,simulcast=0,join=0,drift=0",
        "--at=10:user2:camera-off",
    ]
    assert container["envFrom"] == [{"secretRef": {"name": publishers.KEYS_NAME}}]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_the_recorders_token_may_listen_and_is_hidden(
    manifests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = demo.livekit(manifests)
    monkeypatch.setattr(demo, "livekit", lambda: server)

    body = publishers.recorder_token("room1").split(".")[1]

    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["iss"] == "devkey"
    assert claims["video"] == {
        "roomJoin": True, "room": "room1", "canSubscribe": True, "canPublish": False, "canPublishData": False,
        "hidden": True, "recorder": True,
    }  # fmt: skip
