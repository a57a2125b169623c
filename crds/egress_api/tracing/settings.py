"""Whether and where traces go: what the gateway and the operator are set up with, and what a recorder is told."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from egress_api.base import Strict, Tolerant

HEADERS_ENV: Final = "OTEL_EXPORTER_OTLP_HEADERS"
"""OpenTelemetry's own variable, for a receiver that wants to know who calls: from a Secret, never from settings."""
HEADERS_KEY: Final = "headers"
"""Of that Secret: `authorization=Bearer%20…`, as the variable has it."""


def _receiver(value: str) -> str:
    if not value:
        return value
    wanted = "must be http://HOST:PORT or https://HOST of an OTLP receiver, such as http://collector:4318"
    try:
        url = urlsplit(value)
        fits = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError as error:
        raise ValueError(wanted) from error
    if not fits or any(character.isspace() for character in value):
        raise ValueError(wanted)
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise ValueError(
            "must have no user name, password or query, which everyone who reads the settings could read: "
            f"what the receiver wants to know goes into a Secret, as {HEADERS_ENV}"
        )
    return value.rstrip("/")


Receiver = Annotated[str, AfterValidator(_receiver)]


class TracingSettings(Strict):
    """Traces by OpenTelemetry; without an endpoint there are none, and nothing of it is loaded."""

    endpoint: Receiver = Field(
        "",
        description="OTLP receiver over HTTP, such as http://collector:4318; `/v1/traces` is added. Empty: no traces.",
    )
    sample_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the traces that begin here; one that a caller began is the caller's choice.",
    )

    @property
    def on(self) -> bool:
        """Whether there are traces."""
        return bool(self.endpoint)


class RecorderTracing(Tolerant):
    """What a recorder is told of its trace."""

    endpoint: str = Field(description="OTLP receiver over HTTP.")
    traceparent: str = Field(description="Its attempt's span, above all of its own.")
