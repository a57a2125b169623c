"""What can be set: one environment variable EGRESS_GATEWAY_<FIELD> per field."""

from enum import StrEnum

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from egress_api.app_rules import AppPageRules
from egress_api.tracing.settings import TracingSettings
from egress_gateway.auth.settings import AuthSettings
from egress_gateway.history.settings import HistorySettings
from egress_gateway.links.settings import LinksSettings


class LogLevel(StrEnum):
    """How much is logged; health checks and scrapes show at debug only."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """The gateway's settings; times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="EGRESS_GATEWAY_", frozen=True, extra="ignore")

    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - a Pod's Service comes from outside
    port: int = Field(8091, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    namespace: str = Field(
        "", description="Where tasks are made; empty is the Pod's own, or that of the kubeconfig's context."
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error.")
    shutdown_seconds: float = Field(
        20,
        ge=0,
        description="From SIGTERM until requests still running are cut off; keep it under the Pod's grace period.",
    )
    drain_seconds: float = Field(
        3,
        ge=0,
        description="Part of it in which new requests are still served: the Service takes that long to forget a Pod.",
    )
    api_timeout_seconds: float = Field(
        10,
        gt=0,
        description="For one call to the API server: above its usual worst, below a caller's patience.",
    )
    stale_seconds: float = Field(
        15,
        ge=0,
        description="A watch down for longer than this no longer answers: status calls ask the API server instead.",
    )
    watch_seconds: int = Field(
        300, ge=1, description="Length of one watch; the API server then ends it and the next one begins."
    )
    watch_silence_seconds: float = Field(
        90, gt=0, description="A watch that says nothing for this long is dead: bookmarks come every minute."
    )
    list_chunk: int = Field(500, ge=1, description="Tasks per page when all are listed.")
    request_seconds: float = Field(
        15,
        gt=0,
        description="In which a request's head must have come, then its body, and then its answer been taken; slower "
        "is cut off.",
    )
    auth: AuthSettings = Field(
        default_factory=AuthSettings,
        description="Who may call, as JSON: {modes, apiKeys, jwt, kubernetes}; [auth.md](auth.md) has it all.",
    )
    pages: AppPageRules = Field(
        default_factory=AppPageRules,
        description="Where pages may reach, as JSON: {default: {allow, deny, ports}, apps: {APP: {allow, deny, ports}}}; "
        "the operator has the same.",
    )
    history: HistorySettings = Field(
        default_factory=HistorySettings,
        description="The store that tells of tasks whose resource is gone, as JSON: {url, folder, region, options, …}; all of it "
        "is below.",
    )
    tracing: TracingSettings = Field(
        default_factory=TracingSettings,
        description="Where traces go, as JSON: {endpoint, sampleRatio}; [tracing.md](tracing.md) has it all.",
    )
    links: LinksSettings = Field(
        default_factory=LinksSettings,
        description="The store whose files status calls may link to, as JSON: {url, folder, region, options, ttlSeconds, …}; "
        "the same as for history, and `ttlSeconds`.",
    )
    resolve_seconds: float = Field(
        3,
        gt=0,
        description="For the name of a page's host; one that takes longer is let through, the recorder decides.",
    )
    max_body_bytes: int = Field(65_536, ge=1024, description="Largest body of a request: 64 KiB.")
    answer_seconds: float = Field(
        60,
        gt=0,
        description="In which a start, stop or update is answered, body and API server included; then `503`.",
    )
    token_refresh: bool = Field(
        False,
        description="Whether an update may give a task another access token. It needs the right to `update` Secrets; "
        "without it a task's Secret is never changed.",
    )
    starts_per_second: float = Field(
        0, ge=0, description="Starts that an app may make, counted by each gateway; 0 is no limit."
    )
    starts_burst: int = Field(20, ge=1, description="Starts that an app may make at once.")
    calls_per_second: float = Field(
        0, ge=0, description="Other calls that an app may make, counted by each gateway; 0 is no limit."
    )
    calls_burst: int = Field(100, ge=1, description="Other calls that an app may make at once.")
