"""Values that cannot work are refused by helm, with a sentence that says what to set."""

from dataclasses import dataclass
from typing import Any

import pytest

from support.charts import ENOUGH, RefusedError, merged, render, render_exactly


@dataclass(frozen=True)
class Bad:
    """Values over `ENOUGH` and a part of the refusal."""

    what: str
    values: dict[str, Any]
    sentence: str


BAD = [
    Bad("no store", {"store": {"url": ""}}, "store.url is not set: say where recordings go"),
    Bad("a store of no known kind", {"store": {"url": "ftp://x"}}, "/store/url"),
    Bad("a folder shared by tasks", {"store": {"folder": "{app_id}"}}, "it must contain {task_id}"),
    Bad("a volume without a claim", {"store": {"url": "file:///x"}}, "needs store.volumeClaim"),
    Bad("an app's store without a URL", {"store": {"apps": {"mine": {}}}}, "store.apps.mine has no url"),
    Bad(
        "an app's folder shared by its tasks",
        {"store": {"apps": {"mine": {"url": "s3://b", "folder": "x"}}}},
        'store.apps.mine.folder is "x": it must contain {task_id}',
    ),
    Bad(
        "a key among an app's options",
        {"store": {"apps": {"mine": {"url": "s3://b", "options": {"aws_sse_customer_key_base64": "x"}}}}},
        "name that in store.apps.mine.credentialsSecret",
    ),
    Bad(
        "an app's store under another word",
        {"store": {"apps": {"mine": {"url": "s3://b", "secret": "x"}}}},
        "secret",
    ),
    Bad(
        "a class that can't be read back",
        {"store": {"storageClass": "DEEP_ARCHIVE"}},
        "store.storageClass DEEP_ARCHIVE can't be read back",
    ),
    Bad(
        "a class of plain files",
        {"store": {"url": "file:///x", "volumeClaim": "x", "storageClass": "Cool"}},
        "store.storageClass is set, and plain files have none",
    ),
    Bad(
        "tags where there are none",
        {"store": {"url": "gs://b", "tags": {"team": "media"}}},
        "store.tags are set, and gs://b has none",
    ),
    Bad(
        "links to files on a volume",
        {"gateway": {"links": {"enabled": True}}, "store": {"url": "file:///x", "volumeClaim": "x"}},
        "there are no links to files on a volume",
    ),
    Bad(
        "links to an app's files on a volume",
        {
            "gateway": {"links": {"enabled": True}},
            "store": {"apps": {"mine": {"url": "file:///x", "volumeClaim": "x"}}},
        },
        "store.apps.mine.url is file:///x and gateway.links.enabled is true",
    ),
    Bad("links for a year", {"gateway": {"links": {"ttlSeconds": 31_536_000}}}, "/gateway/links/ttlSeconds"),
    Bad("a claim without a volume", {"store": {"volumeClaim": "x"}}, "Unset one of the two"),
    Bad(
        "a key among the options",
        {"store": {"options": {"aws_secret_access_key": "hush"}}},
        "name that in store.credentialsSecret",
    ),
    Bad(
        "a token among the options",
        {"store": {"options": {"token": "hush"}}},
        "store.options.token looks like",
    ),
    Bad(
        "an option that is no string",
        {"store": {"options": {"allow_http": True}}},
        "/store/options/allow_http",
    ),
    Bad("no source", {"sources": {"default": {"url": ""}}}, "set sources.default.url to your RTC server"),
    Bad("a source of no known kind", {"sources": {"apps": {"a": {"kind": "x", "url": "ws://x"}}}}, "/kind"),
    Bad("an app without a url", {"sources": {"apps": {"a": {"kind": "livekit"}}}}, "url"),
    Bad(
        "an app id that is none", {"sources": {"apps": {"-": {"url": "ws://x"}}}}, "invalid propertyName '-'"
    ),
    Bad(
        "a gateway where nobody watches",
        {"namespaces": ["team-a"]},
        "namespace media, which the operator doesn't watch",
    ),
    Bad(
        "a node port on a ClusterIP",
        {"gateway": {"service": {"nodePort": 30091}}},
        "set the type to NodePort, or unset the port",
    ),
    Bad(
        "history in folders that it can't know",
        {"gateway": {"history": {"enabled": True}}, "store": {"folder": "{region}/{app_id}/{task_id}"}},
        "Take {region} out of store.folder, or unset gateway.history.enabled",
    ),
    Bad(
        "a password for traces",
        {"tracing": {"endpoint": "http://a:b@c"}},
        "name a Secret in tracing.headersSecret",
    ),
    Bad("headers for no traces", {"tracing": {"headersSecret": "otlp"}}, "say where traces go, or unset it"),
    Bad("traces to nowhere", {"tracing": {"endpoint": "collector:4318"}}, "/tracing/endpoint"),
    Bad(
        "an uninstall that cuts recordings off",
        {"recorder": {"graceSeconds": 600}},
        "an uninstall would cut recordings off",
    ),
    Bad(
        "the image for pages where it was",
        {"recorder": {"webImage": "web:1"}},
        "set recorder.web.image=web:1 instead",
    ),
    Bad(
        "a store that recorders of pages can't reach",
        {
            "recorder": {"web": {"image": "web:1"}},
            "store": {"options": {"endpoint": "http://store.demo.svc:7070"}},
        },
        "store.demo.svc is inside your network",
    ),
    Bad(
        "a store by its short name, with pages",
        {"recorder": {"web": {"image": "web:1"}}, "store": {"options": {"endpoint": "http://minio:9000"}}},
        "Add a rule that leads there to pages.networkPolicy.allow",
    ),
    Bad(
        "a store at a private address, with pages",
        {"recorder": {"web": {"image": "web:1"}}, "store": {"options": {"endpoint": "https://172.20.0.3"}}},
        "172.20.0.3 is inside your network",
    ),
    Bad(
        "a seccomp profile by its full path",
        {"recorder": {"web": {"seccompProfile": "/var/x.json"}}},
        "/seccompProfile",
    ),
    Bad(
        "a seccomp profile elsewhere",
        {"recorder": {"web": {"seccompProfile": "../x.json"}}},
        "/seccompProfile",
    ),
    Bad(
        "a queue that is no label",
        {"operator": {"settings": {"queue": {"apps": {"a": {"queueName": "Team_A"}}}}}},
        "queueName",
    ),
    Bad(
        "a region with a slash",
        {"placement": {"regions": {"eu/west": {}}}},
        "'eu/west' does not match pattern",
    ),
    Bad(
        "a region with more than nodes",
        {"placement": {"regions": {"eu": {"store": "s3://eu"}}}},
        "/placement/regions/eu",
    ),
    Bad(
        "a preset for no size",
        {"recorder": {"presets": [{"layout": "flat", "resources": {}}]}},
        "/recorder/presets/0",
    ),
    Bad(
        "a preset for an unknown layout",
        {"recorder": {"presets": [{"layout": "grid", "upTo": {"width": 64, "height": 64}, "resources": {}}]}},
        "/recorder/presets/0/layout",
    ),
    Bad(
        "a priority that is Kubernetes' own",
        {"recorder": {"priorityClass": {"value": 2000000000}}},
        "/recorder/priorityClass/value",
    ),
    Bad("no burst", {"gateway": {"rateLimit": {"startsBurst": 0}}}, "/gateway/rateLimit/startsBurst"),
    Bad("no mode", {"gateway": {"auth": {"modes": []}}}, "/gateway/auth/modes"),
    Bad("a mode that is none", {"gateway": {"auth": {"modes": ["basic"]}}}, "/gateway/auth/modes/0"),
    Bad(
        "nobody asked, beside others",
        {"gateway": {"auth": {"modes": ["none", "kubernetes"]}}},
        "none lets everybody in: take it out",
    ),
    Bad("API keys without a Secret", {"gateway": {"auth": {"modes": ["apiKeys"]}}}, "apiKeys.secret to the"),
    Bad("JWTs of anybody", {"gateway": {"auth": {"modes": ["jwt"]}}}, "set gateway.auth.jwt.issuer"),
    Bad(
        "JWTs for anybody",
        {"gateway": {"auth": {"modes": ["jwt"], "jwt": {"issuer": "i"}}}},
        "set gateway.auth.jwt.audience",
    ),
    Bad(
        "JWTs without keys",
        {"gateway": {"auth": {"modes": ["jwt"], "jwt": {"issuer": "i", "audience": "a"}}}},
        "set either gateway.auth.jwt.jwksUrl or",
    ),
    Bad(
        "JWTs with keys from two places",
        {
            "gateway": {
                "auth": {
                    "modes": ["jwt"],
                    "jwt": {"issuer": "i", "audience": "a", "jwksUrl": "https://x", "jwksConfigMap": "x"},
                }
            }
        },
        "set either gateway.auth.jwt.jwksUrl or",
    ),
    Bad(
        "a CA for keys from a ConfigMap",
        {
            "gateway": {
                "auth": {
                    "modes": ["jwt"],
                    "jwt": {"issuer": "i", "audience": "a", "jwksConfigMap": "x", "caConfigMap": "x"},
                }
            }
        },
        "keys from a ConfigMap need no CA",
    ),
    Bad(
        "keys from a file",
        {"gateway": {"auth": {"jwt": {"jwksUrl": "file:///x"}}}},
        "/gateway/auth/jwt/jwksUrl",
    ),
    Bad("no ports for pages", {"pages": {"default": {"ports": []}}}, "/pages/default/ports"),
    Bad("a port that is none", {"pages": {"apps": {"a": {"ports": [0]}}}}, "/pages/apps/a/ports/0"),
    Bad("a rule with a wildcard", {"pages": {"default": {"allow": ["*.x"]}}}, "/pages/default/allow/0"),
    Bad("a misspelt rule", {"pages": {"apps": {"a": {"alow": ["x"]}}}}, "'alow' not allowed"),
    Bad(
        "webhooks that nobody signs",
        {"webhooks": {"default": {"url": "https://x.example"}}},
        "set webhooks.default.secret to the Secret with the signing secrets",
    ),
    Bad(
        "webhooks of an app that nobody signs",
        {"webhooks": {"apps": {"a": {"url": "https://x.example"}}}},
        "set webhooks.apps.a.secret to",
    ),
    Bad("webhooks to nowhere", {"webhooks": {"apps": {"a": {"secret": "s"}}}}, "webhooks.apps.a has no url"),
    Bad(
        "a signing secret for nobody",
        {"webhooks": {"default": {"secret": "s"}}},
        "webhooks.default.url is not",
    ),
    Bad(
        "webhooks with a password",
        {"webhooks": {"default": {"url": "https://u:hush@x.example", "secret": "s"}}},
        "webhooks.default.url has a user name or a password in it",
    ),
    Bad(
        "an event that is none",
        {"webhooks": {"apps": {"a": {"url": "https://x", "secret": "s", "events": ["task.paused"]}}}},
        "/webhooks/apps/a/events/0",
    ),
    Bad("a misspelt value", {"storage": {}}, "'storage' not allowed"),
    Bad("a misspelt nested value", {"gateway": {"replica": 2}}, "'replica' not allowed"),
    Bad("a misspelt setting", {"operator": {"settings": {"worker": 2}}}, "'worker' not allowed"),
    Bad("a wrong type", {"gateway": {"replicas": "two"}}, "/gateway/replicas"),
    Bad("a namespace that is none", {"namespaces": ["Team A"]}, "/namespaces/0"),
    Bad("a digest that is none", {"image": {"digest": "abc"}}, "/image/digest"),
    Bad("a medium that is none", {"recorder": {"spoolMedium": "Tape"}}, "/recorder/spoolMedium"),
    Bad("a size that is none", {"recorder": {"spoolSize": "2 GB"}}, "/recorder/spoolSize"),
    Bad("no recorder image", {"recorder": {"image": {"repository": ""}}}, "/recorder/image/repository"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_bad_values_are_refused_with_a_sentence(bad: Bad) -> None:
    with pytest.raises(RefusedError) as refusal:
        render_exactly(merged(ENOUGH, bad.values))
    assert bad.sentence in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_defaults_alone_ask_for_the_store_first() -> None:
    with pytest.raises(RefusedError, match=r"store\.url is not set"):
        render_exactly({})


def test_web_pages_alone_need_no_source() -> None:
    render_exactly(
        {"store": {"url": "s3://recordings"}, "recorder": {"web": {"image": "registry.example/web:1"}}}
    )


@pytest.mark.parametrize(
    "pages",
    [
        {"networkPolicy": {"enabled": False}},
        {"networkPolicy": {"allow": [{"to": [{"namespaceSelector": {}}]}]}},
    ],
)
def test_a_store_in_the_cluster_is_fine_for_pages_that_reach_it(pages: dict[str, Any]) -> None:
    store = {"options": {"endpoint": "http://store.demo.svc:7070"}}
    render({"store": store, "recorder": {"web": {"image": "web:1"}}, "pages": pages})
