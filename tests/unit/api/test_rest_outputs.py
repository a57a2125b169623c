"""What a start may ask for as outputs, and what a task shows of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from egress_api.media import OutputFormat
from egress_api.rest import StartRequest, StatusAnswer
from egress_api.spec import EgressTaskSpec
from egress_api.task import EgressTask, Metadata
from support.recorder import NOW

HALF_A_DAY = 43_200


def asked(**payload: Any) -> EgressTaskSpec:
    body = {
        "request_id": "a",
        "cmd": "record",
        "payload": {"layout": "flat", "channel": "room", "access_token": "t" * 10, **payload},
    }
    return StartRequest.model_validate(body).to_spec(app_id="demo", token_secret="s")


@pytest.mark.parametrize(
    ("payload", "formats"),
    [
        ({}, {"hls"}),
        ({"format": "mp4"}, {"mp4"}),
        ({"outputs": [{"format": "mp4"}]}, {"hls", "mp4"}),
        ({"format": "mp4", "outputs": [{"format": "mp4"}, {"format": "hls"}]}, {"hls", "mp4"}),
    ],
)
def test_what_is_asked_for_is_in_the_spec(payload: dict[str, Any], formats: set[str]) -> None:
    assert asked(**payload).formats == {OutputFormat(word) for word in formats}


@pytest.mark.parametrize("payload", [{"format": "mp4"}, {"outputs": [{"format": "m4a"}]}])
def test_an_mp4_has_a_longest_length(payload: dict[str, Any]) -> None:
    asked(**payload, limits={"maxDurationSeconds": HALF_A_DAY})
    with pytest.raises(
        ValidationError, match="limits must have a maxDurationSeconds of at most 43200 for mp4 and m4a"
    ):
        asked(**payload, limits={"maxDurationSeconds": HALF_A_DAY + 1})
    asked(format="ogg", limits={"maxDurationSeconds": HALF_A_DAY + 1})


def test_a_spec_in_python_keeps_to_the_same_rules() -> None:
    spec = asked().model_dump(mode="json", by_alias=True)
    for changes, sentence in (
        ({"outputs": [{"format": "mp4"}] * 2}, "outputs has a format twice"),
        ({"format": "mp4", "limits": {"maxDurationSeconds": HALF_A_DAY + 1}}, "mp4 and m4a need"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            EgressTaskSpec.model_validate({**spec, **changes})


@pytest.mark.parametrize(("outputs", "shown"), [([], None), ([{"format": "mp4"}], [{"format": "mp4"}])])
def test_the_status_shows_what_was_asked_for_beside_the_format(outputs: list[Any], shown: Any) -> None:
    metadata = Metadata(
        name="t", namespace="n", uid="u", generation=1, resource_version="1", creation_timestamp=NOW
    )
    answer = StatusAnswer.of(EgressTask(metadata=metadata, spec=asked(outputs=outputs)))
    told = answer.model_dump(mode="json", by_alias=True, exclude_none=True)["payload"]
    assert told.get("outputs") == shown
