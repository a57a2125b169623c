"""What can be set about history: the JSON object in EGRESS_GATEWAY_HISTORY, camelCase as in the chart's values."""

from pydantic import Field

from egress_gateway.stores import StoreSettings


class HistorySettings(StoreSettings):
    """The stores, as the operator has them, and how much may be asked of them."""

    timeout_seconds: float = Field(
        5,
        gt=0,
        description="In which the store must have answered, waiting for its turn included; then `503`.",
    )
    parallel: int = Field(
        8,
        ge=1,
        le=256,
        description="Reads at the same time, half of them for one app at most; more wait for their turn.",
    )
    keep_seconds: float = Field(
        60,
        ge=0,
        description="For which a recording that has ended is answered without asking the store again.",
    )
    keep_entries: int = Field(
        1000,
        ge=1,
        description="Answers kept for that; beyond it, the oldest of the app that has the most goes.",
    )
