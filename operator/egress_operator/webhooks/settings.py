"""Where each app's events go. Set by the administrator alone: no URL of a stranger is ever called from the cluster."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from egress_api.outbox import EventType
from egress_api.spec import AppId

WEBHOOKS_DIR: Final = Path("/run/egress/webhooks")
"""Where the chart mounts each Secret, as a folder of its name."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Endpoint(_Part):
    """A receiver of events."""

    url: str = Field(
        # Credentials in it would be readable by whoever reads the settings.
        pattern=r"^https?://[^\s/@?#]+([/?]\S*)?$",
        max_length=2048,
        description="Where events are posted to.",
    )
    secret: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$",
        description="Secret in the operator's namespace; each of its entries is a signing secret (whsec_…).",
    )
    events: list[EventType] = Field(
        default_factory=lambda: list(EventType), min_length=1, description="The events it gets."
    )

    @property
    def origin(self) -> str:
        """Scheme, host and port: what of the URL may be logged. A path is often all that a receiver's secret is."""
        return "/".join(self.url.partition("?")[0].split("/", 3)[:3])


class WebhookSettings(_Part):
    """Which app's events go where."""

    default: Endpoint | None = Field(
        None,
        description="Receiver of every app that has none of its own: {url, secret, events}; docs/webhooks.md.",
    )
    apps: dict[AppId, Endpoint] = Field(
        default_factory=dict, description="Receivers by app id; they take the default's place."
    )
    folder: Path = Field(
        WEBHOOKS_DIR, description="Folder with a folder for each Secret, as the chart mounts them."
    )

    def of(self, app_id: str) -> Endpoint | None:
        """Return the receiver of an app's events, if there is one."""
        return self.apps.get(app_id, self.default)
