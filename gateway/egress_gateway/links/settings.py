"""What can be set about links: the JSON object in EGRESS_GATEWAY_LINKS, camelCase as in the chart's values."""

from typing import Self

from pydantic import Field, model_validator

from egress_gateway.stores import StorePlace, StoreSettings

_WEEK = 604_800


class LinksSettings(StoreSettings):
    """The stores whose files may be linked to, and for how long."""

    ttl_seconds: int = Field(
        3600,
        ge=60,
        le=_WEEK,
        description="For which a link can be used; S3 knows no longer ones than a week. Who has it needs nothing else.",
    )
    timeout_seconds: float = Field(
        5,
        gt=0,
        description="In which all links of an answer must be signed, for which some identities ask their cloud; then "
        "`503`.",
    )

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        places: dict[str, StorePlace] = {"of all apps": self}
        places |= {f"of app {app}": place for app, place in self.apps.items()}
        for whose, place in places.items():
            if place.url.startswith("file:"):
                raise ValueError(
                    f"the store {whose} is {place.url}, and there are no links to files on a volume: unset "
                    "gateway.links.enabled, or take an s3://, gs:// or az:// store"
                )
        return self
