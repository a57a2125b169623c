"""What can be set about authentication: the JSON object in EGRESS_GATEWAY_AUTH, camelCase as in the chart's values."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from egress_api.base import Strict


class AuthMode(StrEnum):
    """A way to say who calls."""

    NONE = "none"
    API_KEYS = "apiKeys"
    JWT = "jwt"
    KUBERNETES = "kubernetes"


class ApiKeySettings(Strict):
    """Keys that are made by hand, each for some apps."""

    folder: Path = Field(
        Path("/etc/egress/api-keys"),
        description='A file per key, as a Secret is mounted: its name is the key\'s, its text `{"hash": "sha256:…", "apps": ["my-app"]}`.',
    )
    reload_seconds: float = Field(5, gt=0, description="Between two looks at the folder.")


class JwtSettings(Strict):
    """Tokens that an identity provider signs."""

    issuer: str = Field("", description="What the claim `iss` must be.")
    audience: str = Field("", description="What the claim `aud` must be, or hold.")
    jwks_url: str = Field("", pattern=r"^$|^https?://\S+$", description="Where the issuer's public keys are.")
    jwks_file: Path | None = Field(None, description="Or the file that they are in.")
    ca_file: Path | None = Field(
        None, description="Certificates of the CA that the URL's is signed by; by default the public ones."
    )
    apps_claim: str = Field(
        "app_id", min_length=1, description="Claim with the apps; dots lead into nested claims."
    )
    leeway_seconds: float = Field(
        30, ge=0, le=600, description="By which clocks may differ, for `exp`, `nbf` and `iat`."
    )
    refresh_seconds: float = Field(300, gt=0, description="After which keys are read again.")
    retry_seconds: float = Field(
        10, gt=0, description="Between two reads at least, whatever unknown keys tokens name."
    )
    timeout_seconds: float = Field(5, gt=0, description="For one read.")
    keep_seconds: float = Field(
        3600, gt=0, description="For which keys are used that can't be read again: an outage of the provider."
    )


class KubernetesSettings(Strict):
    """Tokens that the API server knows, such as those of service accounts."""

    audiences: list[str] = Field(
        default_factory=lambda: ["egress-gateway"],
        description="One of which a token must be made for; empty: for the API server itself.",
    )
    cache_seconds: float = Field(60, ge=0, description="For which a yes of the API server holds.")
    refused_cache_seconds: float = Field(5, ge=0, description="For which a no holds.")


class AuthSettings(Strict):
    """Which modes are on, and how each is set up."""

    modes: list[AuthMode] = Field(
        default_factory=lambda: [AuthMode.NONE], description="Any of them, or none alone."
    )
    api_keys: ApiKeySettings = Field(default_factory=ApiKeySettings)
    jwt: JwtSettings = Field(default_factory=JwtSettings)
    kubernetes: KubernetesSettings = Field(default_factory=KubernetesSettings)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.modes:
            raise ValueError("modes is empty: say none, or any of apiKeys, jwt and kubernetes")
        if AuthMode.NONE in self.modes and len(set(self.modes)) > 1:
            raise ValueError("modes has none beside others: none would let everybody in, so take it out")
        if AuthMode.JWT in self.modes:
            for name in ("issuer", "audience"):
                if not getattr(self.jwt, name):
                    raise ValueError(f"mode jwt needs jwt.{name}: without it any token would do")
            if bool(self.jwt.jwks_url) == bool(self.jwt.jwks_file):
                raise ValueError(
                    "mode jwt needs either jwt.jwksUrl or jwt.jwksFile, the issuer's public keys"
                )
        return self

    @property
    def open(self) -> bool:
        """True where nobody is asked who they are."""
        return AuthMode.NONE in self.modes
