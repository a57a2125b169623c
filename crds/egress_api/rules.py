"""Rules that span fields, as CEL: the API server checks them, whoever writes the resource.

The same rules stand in spec.py for those who build a spec in Python; tests/api feeds both the same bad
manifests.
"""

from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from egress_api.media import INDEXED_LONGEST_SECONDS, OutputFormat
from egress_api.names import MAX_TASK_NAME
from egress_api.spec import EgressTaskSpec

MUTABLE_FIELDS: Final = frozenset({"layout", "pause", "priority", "stop", "users"})
"""Spec fields that may change after creation; a later feature opens more."""

Rule = dict[str, str]

ROOT_RULES: Final[list[Rule]] = [
    {
        "rule": f"size(self.metadata.name) <= {MAX_TASK_NAME}",
        "message": f"metadata.name must be at most {MAX_TASK_NAME} characters long: Pods are named after it",
    }
]

_SOURCE_RULES: Final[list[Rule]] = [
    {
        "rule": "self.layout == 'freestyle' || has(self.channel)",
        "message": "layouts flat, spotlight and customized record a channel: set spec.channel",
    },
    {
        "rule": "self.layout != 'freestyle' || has(self.url)",
        "message": "layout freestyle records a page: set spec.url",
    },
    {
        "rule": "!(has(self.channel) && has(self.url))",
        "message": "set spec.channel or spec.url, not both: a task records one source",
    },
    {
        "rule": "!has(self.channel) || has(self.accessTokenSecretRef)",
        "message": "recording a channel needs spec.accessTokenSecretRef: the Secret with the token to join it",
    },
    {
        "rule": "(self.start.when == 'selector') == has(self.start.selector)",
        "message": "spec.start.selector goes with spec.start.when: selector, and with nothing else",
    },
]

_REGION_RULES: Final[list[Rule]] = [
    {
        "rule": "self.layout != 'customized' || (has(self.regions) && size(self.regions) > 0)",
        "message": "layout customized needs spec.regions",
    },
    {
        "rule": "self.layout != 'freestyle' || !has(self.regions) || size(self.regions) == 0",
        "message": "spec.regions go with the layouts of a channel",
    },
    {
        "rule": "!has(self.regions) || self.regions.all(r, has(r.user) != has(r.slot))",
        "message": "a region needs user or slot, and not both",
    },
    {
        "rule": "!has(self.regions) || self.regions.all(r, r.x + r.width <= self.video.width"
        " && r.y + r.height <= self.video.height)",
        "message": "a region reaches beyond the canvas, which spec.video.width and height say",
    },
]

_INDEXED: Final = str([wanted.value for wanted in OutputFormat if wanted.indexed])
_OUTPUT_RULE: Final[Rule] = {
    "rule": f"self.limits.maxDurationSeconds <= {INDEXED_LONGEST_SECONDS} || (!(self.format in {_INDEXED})"
    f" && (!has(self.outputs) || !self.outputs.exists(o, o.format in {_INDEXED})))",
    "message": f"mp4 and m4a need spec.limits.maxDurationSeconds of at most {INDEXED_LONGEST_SECONDS}",
}

_THUMBNAILS_RULE: Final[Rule] = {
    "rule": f"!has(self.outputs) || self.outputs.all(o, o.format == '{OutputFormat.THUMBNAILS.value}'"
    " || !(has(o.everySeconds) || has(o.width)))",
    "message": "everySeconds and width in spec.outputs go with format thumbnails alone",
}

_PLACEMENT_RULE: Final[Rule] = {
    "rule": "!has(self.placement) || !has(self.placement.tolerations)"
    " || self.placement.tolerations.all(t, t.operator != 'Exists' || !has(t.value))",
    "message": "a toleration in spec.placement with operator Exists takes no value",
}

_STOP_RULE: Final[Rule] = {
    "rule": "!oldSelf.stop || self.stop",
    "message": "spec.stop can't be taken back: start another task",
}

_LAYOUT_RULES: Final[list[Rule]] = [
    {
        "rule": "(self.layout == 'freestyle') == (oldSelf.layout == 'freestyle')",
        "message": "spec.layout can't be changed from a channel's to a page's or back: start another task",
    },
    {
        "rule": "self.layout == oldSelf.layout || !self.filenamePattern.contains('{layout}')",
        "message": "spec.layout can't be changed where spec.filenamePattern has {layout}: the files have their names",
    },
]


def _immutable(field: str, *, always_there: bool) -> Rule:
    # The shorter, the better: the API server lists all fields of the spec for each one that a rule names, at every write,
    # also of the status. It was a tenth of what it did for a task.
    same = f"self.{field} == oldSelf.{field}"
    return {
        "rule": same
        if always_there
        else f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})",
        "message": f"spec.{field} can't be changed after creation: start another task",
    }


def _has_default(info: FieldInfo) -> bool:
    return info.default is not None and info.default is not PydanticUndefined


def spec_rules() -> list[Rule]:
    """Return every rule on `spec`, in the order in which users see them."""
    fields = {info.alias or name: info for name, info in EgressTaskSpec.model_fields.items()}
    return [
        *_SOURCE_RULES,
        *_REGION_RULES,
        _OUTPUT_RULE,
        _THUMBNAILS_RULE,
        _PLACEMENT_RULE,
        _STOP_RULE,
        *_LAYOUT_RULES,
        *(
            _immutable(name, always_there=info.is_required() or _has_default(info))
            for name, info in fields.items()
            if name not in MUTABLE_FIELDS
        ),
    ]
