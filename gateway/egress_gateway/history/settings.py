"""What can be set about history: the JSON object in EGRESS_GATEWAY_HISTORY, camelCase as in the chart's values."""

from pathlib import Path

from pydantic import Field

from egress_api.base import Strict
from egress_api.constants import STORE_CREDENTIALS_DIR
from egress_api.folder import FolderTemplate


class HistorySettings(Strict):
    """The store, as the operator has it, and how much may be asked of it."""

    url: str = Field(
        "",
        pattern=r"^$|^(s3|gs|az|file)://\S+$",
        description="Bucket (and prefix) of all recordings; empty: what is no longer in the cluster is a `404`.",
    )
    folder: FolderTemplate = Field(
        "{app_id}/{task_id}", description="Folder of a task below it, as the operator has it."
    )
    region: str = Field("", max_length=64, description="What `{region}` stands for in the folder.")
    options: dict[str, str] = Field(
        default_factory=dict, description="Options of the store that are no secret, as the operator has them."
    )
    credentials_dir: Path = Field(
        Path(STORE_CREDENTIALS_DIR),
        description="A file per secret option, as a Secret is mounted; to read and list is enough. A change is taken "
        "without a restart.",
    )
    timeout_seconds: float = Field(
        5,
        gt=0,
        description="In which the store must have answered, waiting for its turn included; then `503`.",
    )
    parallel: int = Field(8, ge=1, le=256, description="Reads at the same time; more wait for their turn.")
    keep_seconds: float = Field(
        60,
        ge=0,
        description="For which a recording that has ended is answered without asking the store again.",
    )
    keep_entries: int = Field(1000, ge=1, description="Answers kept for that.")
