"""What happens to a recording is told to a receiver in the cluster: signed, in order, each once, also after a refusal."""

import base64
import json
import secrets
from typing import Any

from standardwebhooks import Webhook

from support.e2e import until
from support.faults import SMALL
from support.helper_pod import URL, HelperPod, helper_objects
from support.publishers import Publishers
from support.releases import scratch_release, small_task

CHANNEL = "egress_test"
"""Where the session's people are."""


def test_a_recording_is_told_of_signed_and_complete_although_the_first_call_is_refused(
    people: Publishers,
) -> None:
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "signing"},
        "stringData": {"key": signing},
    }
    values = {"recorder": SMALL, "webhooks": {"default": {"url": URL, "secret": "signing"}}}
    with scratch_release(values=values, objects=[secret, *helper_objects(refused=1)]) as tasks:
        receiver = HelperPod(tasks.kubectl)
        receiver.until_ready()
        objects = small_task(channel=CHANNEL)
        name = objects[-1]["metadata"]["name"]
        tasks.kubectl.apply(*objects)
        tasks.until_state(name, "PROCESSING")
        until("the first file", lambda: tasks.get(name)["status"].get("files"), seconds=40)
        patch = '--patch={"spec": {"stop": true}}'
        tasks.kubectl.run("patch", "egresstask", name, "--type=merge", patch)
        ended = tasks.until_state(name, "STOPPED")["status"]

        def probe() -> list[dict[str, Any]] | None:
            calls = receiver.got()
            taken = [json.loads(call["body"]) for call in calls if call["status"] == 204]
            return calls if taken and taken[-1]["type"] == "task.stopped" else None

        calls = until("the last event", probe, seconds=30)
    verifier = Webhook(signing)
    for call in calls:
        verifier.verify(call["body"], call["headers"])
    refused, *taken = calls
    assert (refused["status"], {call["status"] for call in taken}) == (503, {204})
    assert (refused["body"], _id(refused)) == (taken[0]["body"], _id(taken[0])), "the same again"
    assert len({_id(call) for call in taken}) == len(taken)
    events = [json.loads(call["body"]) for call in taken]
    assert [event["type"] for event in events] == ["task.processing", "task.file", "task.stopped"]
    assert [event["data"]["sequence"] for event in events] == [1, 2, 3]
    assert {event["data"]["task_id"] for event in events} == {name}
    assert events[1]["data"]["file"]["kind"] == "playlist"
    last = events[2]["data"]
    assert (last["status"], last["reason"]) == ("STOPPED", ended["reason"])
    assert [file["name"] for file in last["files"]] == [file["name"] for file in ended["files"]]


def _id(call: dict[str, Any]) -> str:
    return {name.lower(): value for name, value in call["headers"].items()}["webhook-id"]
