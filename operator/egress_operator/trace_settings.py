"""Where the operator's traces go, and its recorders'."""

from typing import Any, Final

from pydantic import Field

from egress_api.tracing.settings import HEADERS_ENV, HEADERS_KEY, TracingSettings

_NAME_OR_NONE: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"


class OperatorTracing(TracingSettings):
    """The operator's own, and what its recorders are given."""

    headers_secret: str = Field(
        "",
        pattern=_NAME_OR_NONE,
        max_length=253,
        description="Secret, in the tasks' namespace, with what the receiver wants to know of a caller: the value of "
        f"{HEADERS_ENV} under the key `{HEADERS_KEY}`. Recorders get it; one without it sends none.",
    )

    @property
    def recorder_env(self) -> list[dict[str, Any]]:
        """Return what a recorder's container gets beside its configuration."""
        if not self.headers_secret:
            return []
        # Optional: a Secret that is missing costs traces, and no recording.
        reference = {"name": self.headers_secret, "key": HEADERS_KEY, "optional": True}
        return [{"name": HEADERS_ENV, "valueFrom": {"secretKeyRef": reference}}]
