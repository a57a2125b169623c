"""Manifests for tests: a good one, and bad ones as data with the sentence that must refuse them."""

import copy
from dataclasses import dataclass
from typing import Any

from egress_api.constants import API_VERSION, KIND

GOOD: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": {"name": "good"},
    "spec": {
        "appId": "demo",
        "layout": "flat",
        "channel": "egress_test",
        "accessTokenSecretRef": {"name": "good-token"},
    },
}

GOOD_PAGE: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": {"name": "good-page"},
    "spec": {"appId": "demo", "layout": "freestyle", "url": "http://canvas.good.example/"},
}

GOOD_PLACE: dict[str, Any] = {
    **GOOD,
    "metadata": {"name": "good-place"},
    "spec": {
        **GOOD["spec"],
        "placement": {
            "region": "eu-west.1",
            "zone": "eu-west-1a",
            "nodeSelector": {"example.com/disk": "ssd", "empty": ""},
            "tolerations": [
                {"key": "dedicated", "value": "media", "effect": "NoSchedule"},
                {"key": "example.com/spot", "operator": "Exists"},
                {"key": "plain"},
            ],
        },
    },
}

REGION = {"x": 0, "y": 0, "width": 640, "height": 360}
ABSENT = object()


@dataclass(frozen=True)
class Bad:
    """A change to `GOOD` and a part of the refusal."""

    what: str
    changes: dict[str, Any]
    """Dotted path in the manifest → value; `ABSENT` takes the field away."""
    sentence: str
    base: str = "flat"

    def manifest(self) -> dict[str, Any]:
        """Return the bad manifest."""
        return changed(GOOD if self.base == "flat" else GOOD_PAGE, self.changes)


def changed(manifest: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a manifest with dotted paths set, or taken away by `ABSENT`."""
    out = copy.deepcopy(manifest)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = out
        for name in parents:
            node = node.setdefault(name, {})
        if value is ABSENT:
            node.pop(last)
        else:
            node[last] = value
    return out


BAD = [
    Bad("no app", {"spec.appId": ABSENT}, "spec.appId: Required value"),
    Bad("an app id that is no label", {"spec.appId": "-demo"}, "with a letter or digit at both ends"),
    Bad("a long app id", {"spec.appId": "a" * 64}, "spec.appId: Too long"),
    Bad("a request id with a dash", {"spec.requestId": "a-b"}, "must be 1 to 32 letters and digits"),
    Bad("an unknown command", {"spec.command": "erase"}, 'spec.command: Unsupported value: "erase"'),
    Bad("an unknown layout", {"spec.layout": "grid"}, 'spec.layout: Unsupported value: "grid"'),
    Bad(
        "flat without a channel",
        {"spec.channel": ABSENT},
        "layouts flat, spotlight and customized record a channel: set spec.channel",
    ),
    Bad("flat without a token", {"spec.accessTokenSecretRef": ABSENT}, "needs spec.accessTokenSecretRef"),
    Bad("two sources", {"spec.url": "http://a.example/"}, "set spec.channel or spec.url, not both"),
    Bad(
        "freestyle without a url",
        {"spec.url": ABSENT},
        "layout freestyle records a page: set spec.url",
        "page",
    ),
    Bad("a url that is none", {"spec.url": "a.example"}, "must be an http or https URL", "page"),
    Bad("a file url", {"spec.url": "file:///etc/passwd"}, "must be an http or https URL", "page"),
    Bad("user info in a url", {"spec.url": "http://me:pw@a.example/"}, "without user info", "page"),
    Bad("a space in a url", {"spec.url": "http://a.example/a b"}, "or spaces", "page"),
    Bad(
        "a start by selector without one",
        {"spec.start.when": "selector"},
        "spec.start.selector goes with spec.start.when: selector",
        "page",
    ),
    Bad(
        "a selector with another start",
        {"spec.start": {"when": "console", "selector": "#go"}},
        "spec.start.selector goes with spec.start.when: selector",
        "page",
    ),
    Bad(
        "a selector with the default start",
        {"spec.start.selector": "#go"},
        "spec.start.selector goes with spec.start.when: selector",
        "page",
    ),
    Bad(
        "an empty selector",
        {"spec.start": {"when": "selector", "selector": ""}},
        "must be a CSS selector of at most 256 characters",
        "page",
    ),
    Bad(
        "a selector of 257",
        {"spec.start": {"when": "selector", "selector": "a" * 257}},
        "spec.start.selector: Too long",
        "page",
    ),
    Bad(
        "a selector in two lines",
        {"spec.start": {"when": "selector", "selector": "#a,\n#b"}},
        "must be a CSS selector of at most 256 characters",
        "page",
    ),
    Bad(
        "an unknown start", {"spec.start.when": "idle"}, 'spec.start.when: Unsupported value: "idle"', "page"
    ),
    Bad(
        "an unknown end of waiting",
        {"spec.start.onTimeout": "retry"},
        'spec.start.onTimeout: Unsupported value: "retry"',
        "page",
    ),
    Bad("no time to start in", {"spec.start.timeoutSeconds": 0}, "greater than or equal to 1", "page"),
    Bad("301 s to start in", {"spec.start.timeoutSeconds": 301}, "less than or equal to 300", "page"),
    Bad("a word too many in start", {"spec.start.after": 3}, 'unknown field "spec.start.after"', "page"),
    Bad("a channel with a space", {"spec.channel": "my room"}, "must be 1 to 64 letters, digits"),
    Bad("an empty channel", {"spec.channel": ""}, "must be 1 to 64 letters, digits"),
    Bad("worker uid 0", {"spec.workerUid": 0}, "should be greater than or equal to 1"),
    Bad("a user with a dot", {"spec.users": ["a.b"]}, "must be 1 to 32 letters, digits, '_' or '-'"),
    Bad("33 users", {"spec.users": [f"u{n}" for n in range(33)]}, "must have at most 32 items"),
    Bad("an unknown token", {"spec.filenamePattern": "{user}"}, "{date}, {time}"),
    Bad("a path in a name", {"spec.filenamePattern": "../x"}, "{date}, {time}"),
    Bad("an unknown format", {"spec.format": "avi"}, 'spec.format: Unsupported value: "avi"'),
    Bad("customized without regions", {"spec.layout": "customized"}, "layout customized needs spec.regions"),
    Bad("a region of nobody", {"spec.regions": [REGION]}, "a region needs user or slot, and not both"),
    Bad(
        "a region of somebody and of anybody",
        {"spec.regions": [{**REGION, "user": "a", "slot": 1}]},
        "a region needs user or slot, and not both",
    ),
    Bad(
        "a region beyond the canvas",
        {"spec.regions": [{**REGION, "slot": 1, "x": 1000}]},
        "a region reaches beyond the canvas",
    ),
    Bad("a region of odd size", {"spec.regions": [{**REGION, "slot": 1, "width": 641}]}, "multiple of 2"),
    Bad(
        "regions of a page",
        {"spec.regions": [{**REGION, "slot": 1}]},
        "spec.regions go with the layouts of a channel",
        "page",
    ),
    Bad("an unknown output", {"spec.outputs": [{"format": "avi"}]}, 'Unsupported value: "avi"'),
    Bad(
        "a width of what has none",
        {"spec.outputs": [{"format": "mp4", "width": 320}]},
        "everySeconds and width in spec.outputs go with format thumbnails alone",
    ),
    Bad(
        "thumbnails that are too wide",
        {"spec.outputs": [{"format": "thumbnails", "width": 642}]},
        "less than or equal to 640",
    ),
    Bad("an output twice", {"spec.outputs": [{"format": "mp4"}] * 2}, "spec.outputs[1]: Duplicate value"),
    Bad(
        "an MP4 of more than half a day",
        {"spec.format": "mp4", "spec.limits.maxDurationSeconds": 43201},
        "mp4 and m4a need spec.limits.maxDurationSeconds of at most 43200",
    ),
    Bad(
        "the same of sound, beside the playlist",
        {"spec.outputs": [{"format": "m4a"}], "spec.limits.maxDurationSeconds": 43201},
        "mp4 and m4a need spec.limits.maxDurationSeconds of at most 43200",
    ),
    Bad(
        "spotlight without a channel",
        {"spec.layout": "spotlight", "spec.channel": ABSENT},
        "layouts flat, spotlight and customized record a channel: set spec.channel",
    ),
    Bad("an odd width", {"spec.video.width": 641}, "multiple of 2"),
    Bad("no height to speak of", {"spec.video.height": 2}, "greater than or equal to 16"),
    Bad("61 frames a second", {"spec.video.frameRate": 61}, "less than or equal to 60"),
    Bad("an odd sample rate", {"spec.audio.sampleRate": 12345}, "spec.audio.sampleRate: Unsupported value"),
    Bad("six channels of sound", {"spec.audio.channels": 6}, "less than or equal to 2"),
    Bad("segments of a minute", {"spec.segmentSeconds": 60}, "less than or equal to 30"),
    Bad("priority 1001", {"spec.priority": 1001}, "less than or equal to 1000"),
    Bad("a queue with capitals", {"spec.queueName": "Team-A"}, "must be the name of a LocalQueue"),
    Bad("an empty queue", {"spec.queueName": ""}, "must be the name of a LocalQueue"),
    Bad("a wrong type", {"spec.stop": "yes"}, "must be of type boolean"),
    Bad("a field nobody knows", {"spec.colour": "red"}, 'unknown field "spec.colour"'),
    Bad(
        "a Secret name with capitals",
        {"spec.accessTokenSecretRef.name": "Token"},
        "must be the name of a Secret",
    ),
    Bad("a region with a space", {"spec.placement.region": "eu west"}, "with a letter or digit at both ends"),
    Bad("a region with a slash", {"spec.placement.region": "eu/west"}, "with a letter or digit at both ends"),
    Bad("an empty zone", {"spec.placement.zone": ""}, "with a letter or digit at both ends"),
    Bad("a zone of 64", {"spec.placement.zone": "a" * 64}, "spec.placement.zone: Too long"),
    Bad(
        "a label's value with a space",
        {"spec.placement": {"nodeSelector": {"disk": "very fast"}}},
        "must be the value of a label",
    ),
    Bad(
        "a label's key of 318",
        {"spec.placement": {"nodeSelector": {"k" * 318: "v"}}},
        "each key must be 1 to 317 characters long",
    ),
    Bad(
        "17 labels",
        {"spec.placement": {"nodeSelector": {f"k{n}": "v" for n in range(17)}}},
        "must have at most 16 items",
    ),
    Bad(
        "a toleration of everything",
        {"spec.placement.tolerations": [{"operator": "Exists"}]},
        "spec.placement.tolerations[0].key: Required value",
    ),
    Bad(
        "an empty taint",
        {"spec.placement.tolerations": [{"key": "", "operator": "Exists"}]},
        "must be the key of a taint",
    ),
    Bad(
        "a toleration of any value that names one",
        {"spec.placement.tolerations": [{"key": "dedicated", "operator": "Exists", "value": "media"}]},
        "a toleration in spec.placement with operator Exists takes no value",
    ),
    Bad(
        "an unknown effect",
        {"spec.placement.tolerations": [{"key": "dedicated", "effect": "NoStart"}]},
        'spec.placement.tolerations[0].effect: Unsupported value: "NoStart"',
    ),
    Bad(
        "17 tolerations",
        {"spec.placement.tolerations": [{"key": f"k{n}"} for n in range(17)]},
        "must have at most 16 items",
    ),
    Bad(
        "a node by name",
        {"spec.placement.nodeName": "node-1"},
        'unknown field "spec.placement.nodeName"',
    ),
    Bad("a long name", {"metadata.name": "t" * 58}, "metadata.name must be at most 57 characters long"),
]
