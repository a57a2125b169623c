"""What an administrator sets, once, for all tasks of an operator.

In: one YAML file (`EGRESS_OPERATOR_CONFIG`, the chart renders it) and the environment, which wins:
`EGRESS_OPERATOR_REGION=eu`, `EGRESS_OPERATOR_STORE__URL=s3://other`. Out: one frozen `Settings`.
Keys are camelCase in YAML, as in the chart's values. The table in docs/operator.md is generated from the fields
below (docs/generate_operator.py). Nothing secret stands here: credentials are named, never held.
"""

import os
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from egress_api.app_rules import AppPageRules
from egress_api.recorder import SourceConfig
from egress_operator.errors import SettingsError
from egress_operator.placement import PlacementSettings
from egress_operator.presets import Preset, Resources
from egress_operator.queue_settings import QueueSettings
from egress_operator.store_settings import StoreSettings
from egress_operator.trace_settings import OperatorTracing
from egress_operator.webhooks.settings import WebhookSettings

CONFIG_ENV: Final = "EGRESS_OPERATOR_CONFIG"
DEFAULT_CONFIG: Final = Path("/etc/egress/operator.yaml")
ENV_PREFIX: Final = "EGRESS_OPERATOR_"
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
QUANTITY: Final = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)$"


class _Part(BaseModel):
    """A frozen camelCase group of settings in which an unknown key is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class SourcesSettings(_Part):
    """Which backend carries which app's channels."""

    default: SourceConfig | None = Field(
        None, description="Backend of every app that has none of its own: {kind: livekit, url: ws://…}."
    )
    apps: dict[str, SourceConfig] = Field(
        default_factory=dict, description="Backends by app id; they win over the default."
    )

    def of(self, app_id: str) -> SourceConfig | None:
        """Return the backend of an app, if there is one."""
        return self.apps.get(app_id, self.default)


class WebSettings(_Part):
    """What is different in a Pod that records a web page."""

    image: str = Field(
        "",
        description="Image for web pages, its whole reference; without one, layout freestyle ends in FAILED "
        "LayoutNotSupported.",
    )
    resources: Resources = Field(
        default_factory=dict,
        description="The same for recorders with a browser; their shared memory counts as memory.",
    )
    shm_size: str = Field(
        "512Mi",
        pattern=QUANTITY,
        description="Size of the browser's shared memory (/dev/shm).",
    )
    seccomp_profile: str = Field(
        "",
        description="Seccomp profile on the nodes, below the kubelet's seccomp folder, that lets the browser's sandbox "
        "work; empty is the runtime's default, under which it seldom does.",
    )
    host_users: bool = Field(
        True,
        description="False gives the Pod a user namespace of its own, where nodes support that: root in it is nobody.",
    )
    require_sandbox: bool = Field(
        False,
        description="Whether pages are refused (FAILED SandboxUnavailable) where the browser's sandbox can't hold.",
    )


class RecorderSettings(_Part):
    """The Pod that records."""

    image: str = Field(min_length=1, description="Image for channels.")
    web: WebSettings = Field(
        default_factory=WebSettings, description="What is different in a Pod that records a web page."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="When the kubelet pulls the image."
    )
    image_pull_secrets: list[str] = Field(
        default_factory=list, description="Names of Secrets to pull the image with."
    )
    presets: list[Preset] = Field(
        default_factory=list,
        description="Requests and limits by layout and picture; the first that fits wins: {layout, upTo: {width, "
        "height, frameRate}, resources}.",
    )
    resources: Resources = Field(
        default_factory=dict,
        description="Requests and limits of recorders of channels that none of the presets fits; empty leaves them to the "
        "built-in presets. The CPU limit also sets the encoder's threads.",
    )
    service_account_name: str = Field(
        "",
        description="Service account, for access to the store by the cloud's identity; no token is mounted.",
    )
    priority_class_name: str = Field("", description="Priority class, so that others don't preempt it.")
    runtime_class_name: str = Field("", description="Runtime class, such as gvisor for web pages.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="Labels of the nodes to run on.")
    tolerations: list[dict[str, Any]] = Field(
        default_factory=list, description="Taints to tolerate, beside not-ready and unreachable for 5 s."
    )
    affinity: dict[str, Any] = Field(default_factory=dict, description="Affinity, as in a Pod.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="More labels for the Pod; the operator's own win."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict, description="More annotations for the Pod; the operator's own win."
    )
    do_not_disrupt: bool = Field(
        True,
        description="Whether autoscalers are told to leave a node alone while it records (annotations for the cluster "
        "autoscaler and Karpenter).",
    )
    grace_seconds: int = Field(
        120,
        ge=5,
        le=3600,
        description="Seconds from SIGTERM for the end of the recording and the last uploads.",
    )
    join_timeout_seconds: int = Field(
        30,
        ge=1,
        le=600,
        description="Seconds in which the recorder must have joined its channel; pages have start.timeoutSeconds.",
    )
    spool_size: str = Field(
        "2Gi",
        pattern=QUANTITY,
        description="Size of the spool: what is recorded and not uploaded yet.",
    )
    spool_medium: Literal["", "Memory"] = Field(
        "",
        description="Where the spool lies: empty is the node's disk; Memory counts as the recorder's memory, whose limit "
        "must hold it, too.",
    )


def _own_namespace() -> list[str]:
    # What a Pod is told by its service account; outside a cluster, kubectl's own default.
    return [NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.is_file() else "default"]


def _by_field_name(model: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    # pydantic-settings merges sources key by key: graceSeconds of the file and grace_seconds of the
    # environment have to be the same key by then. Unknown keys stay, to be refused by name.
    names = {to_camel(name): name for name in model.model_fields}
    renamed: dict[str, Any] = {}
    for key, value in content.items():
        name = names.get(key, key)
        kind = model.model_fields[name].annotation if name in model.model_fields else None
        nested = isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict)
        renamed[name] = _by_field_name(kind, value) if nested else value  # type: ignore[arg-type]
    return renamed


class Settings(BaseSettings):
    """Everything that can be set for an operator."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
    )

    namespaces: list[str] = Field(
        default_factory=_own_namespace,
        min_length=1,
        description="Namespaces whose tasks are worked on; by default the operator's own.",
    )
    region: str = Field(
        "",
        max_length=64,
        description="What {region} stands for in names and folders of tasks without spec.placement.region.",
    )
    store: StoreSettings = Field(description="Where recordings go.")
    sources: SourcesSettings = Field(
        default_factory=SourcesSettings, description="Which backend carries which app's channels."
    )
    pages: AppPageRules = Field(
        default_factory=AppPageRules, description="Where the pages of each app may reach."
    )
    webhooks: WebhookSettings = Field(
        default_factory=WebhookSettings, description="Which app's events go where."
    )
    recorder: RecorderSettings = Field(description="The Pod that records.")
    queue: QueueSettings = Field(
        default_factory=QueueSettings,
        description="How many tasks may record at once; who waits, and for what.",
    )
    placement: PlacementSettings = Field(
        default_factory=PlacementSettings, description="What tasks may ask for in spec.placement."
    )
    tracing: OperatorTracing = Field(
        default_factory=OperatorTracing, description="Where traces go, the recorders' too."
    )
    image_pull_patience_seconds: int = Field(
        60, ge=0, description="Seconds for which an image that can't be pulled is waited for, then FAILED."
    )
    poll_seconds: float = Field(
        3, ge=0.2, description="Seconds between two looks at a running recorder's /status."
    )
    resync_seconds: int = Field(
        300,
        ge=1,
        description="Seconds between two full looks at all tasks and Pods, should an event be lost.",
    )
    ttl_seconds_after_finished: int = Field(
        604_800, ge=0, description="Seconds after which a finished task is deleted; 0 is never."
    )
    max_finished: int = Field(
        1000, ge=0, description="Finished tasks kept in a namespace; the oldest go first. 0 keeps all."
    )
    workers: int = Field(8, ge=1, le=256, description="Tasks worked on at the same time.")
    metrics_port: int = Field(8080, ge=0, le=65535, description="Port of /healthz, /readyz and /metrics.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which comes in as init arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the settings file and the environment.

        Args:
            path: the file; by default what `EGRESS_OPERATOR_CONFIG` names, or /etc/egress/operator.yaml.

        Raises:
            SettingsError: naming the file and each setting that is wrong.
        """
        path = path or Path(os.environ.get(CONFIG_ENV, DEFAULT_CONFIG))
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except FileNotFoundError:
            content = {}
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{path} can't be read as YAML: {error}") from error
        if not isinstance(content, dict):
            raise SettingsError(f"{path} must hold a mapping of settings, not a {type(content).__name__}")
        try:
            return cls(**_by_field_name(cls, content))
        except ValidationError as error:
            lines = [
                f"  {'.'.join(to_camel(str(part)) for part in e['loc'])}: {e['msg']}" for e in error.errors()
            ]
            where = str(path) if path.is_file() else f"{path} (which does not exist)"
            raise SettingsError("\n".join([f"the settings in {where} are wrong:", *lines])) from error
