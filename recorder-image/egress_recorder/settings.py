"""How the recorder behaves, apart from what it records (that is `RecorderConfig`).

Every field can be set by an environment variable `EGRESS_RECORDER_<FIELD>`; the defaults are what a Pod
made by the operator needs.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from egress_api.constants import (
    RECORDER_CONFIG_ENV,
    RECORDER_PORT,
    SPOOL_DIR,
    STORE_CREDENTIALS_DIR,
    TERMINATION_LOG,
)
from egress_api.recorder import UPLOAD_PATIENCE_SECONDS, RecorderConfig
from egress_recorder.errors import ConfigurationError


class Settings(BaseSettings):
    """The recorder's own settings, with unit, default and reason each."""

    model_config = SettingsConfigDict(env_prefix="EGRESS_RECORDER_", frozen=True)

    host: str = Field("0.0.0.0", description="Address of the HTTP server: the operator calls by Pod IP.")  # noqa: S104
    port: int = Field(
        RECORDER_PORT, ge=0, le=65535, description="Port of the HTTP server; 0 is any free one."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    spool: Path = Field(Path(SPOOL_DIR), description="Folder for segments that are not in the store yet.")
    spool_share: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="Share of the spool's volume above which the oldest segments are given up: the kubelet evicts a "
        "Pod that overfills it, and then all of it is lost.",
    )
    spool_free_bytes: int = Field(
        200_000_000,
        ge=0,
        description="Bytes that stay free on the disk under the spool, which may be the node's own and filled by "
        "others: below, the oldest segments are given up. Or the share below, if that is less.",
    )
    spool_free_share: float = Field(
        0.05, ge=0, lt=1, description="Share of the disk that stays free: for small ones, as in memory."
    )
    disk_patience_seconds: float = Field(
        120.0, gt=0, description="How long the disk may stay too full to close a segment, before giving up."
    )
    store_credentials_dir: Path = Field(
        Path(STORE_CREDENTIALS_DIR), description="Folder with one file per secret option of the store."
    )
    termination_log: Path = Field(Path(TERMINATION_LOG), description="Where the last words are written.")
    capture_command: list[str] = Field(
        default_factory=lambda: [sys.executable, "-m", "egress_recorder.capture"],
        min_length=1,
        description="Program that captures, with arguments, as a JSON list.",
    )
    upload_parallel: int = Field(3, ge=1, le=16, description="Segments uploaded at the same time.")
    upload_backoff_seconds: float = Field(
        15.0, gt=0, description="Longest pause between two tries of an upload while recording."
    )
    store_patience_seconds: float = Field(
        30.0, gt=0, description="How long a store may be unreachable before capture begins."
    )
    resume_patience_seconds: float = Field(
        900.0,
        gt=0,
        description="The same where an earlier attempt's recording is to be continued or closed, also for a store "
        "that says no.",
    )
    upload_patience_seconds: float = Field(
        UPLOAD_PATIENCE_SECONDS,
        gt=0,
        description="How long the last uploads may take when the recording ended by itself or the operator told it "
        "to end; after SIGTERM the Pod's grace period bounds them. The operator lets a Pod live for an hour of it.",
    )
    stop_capture_seconds: float = Field(
        15.0, gt=1, description="How long the capture may take to close its last segment before it is killed."
    )
    join_margin_seconds: float = Field(
        15.0, gt=0, description="Beyond the join timeout: a capture that has said nothing by then hangs."
    )
    restart_limit: int = Field(
        5, ge=0, description="Captures started again within the window before giving up."
    )
    restart_window_seconds: float = Field(60.0, gt=0, description="The window of the limit above.")
    restart_pause_seconds: float = Field(
        0.2,
        ge=0,
        description="Pause before a second capture within the window; it doubles with each more. The first is "
        "replaced at once: people are talking.",
    )
    hang_limit: int = Field(
        3, ge=0, description="New browsers for a page that hangs, within the window, before giving up."
    )
    hang_window_seconds: float = Field(600.0, gt=0, description="The window of the limit above.")
    rejoin_patience_seconds: float = Field(
        120.0, gt=0, description="How long a source that was joined once may stay unreachable."
    )
    silent_seconds: float = Field(
        5.0,
        gt=0,
        description="A joined capture that has said nothing for so long hangs, and is replaced: it sends its "
        "figures every second.",
    )
    still_seconds: float = Field(
        10.0, gt=0, description="The same for one that has encoded no frame for so long."
    )
    stall_margin_seconds: float = Field(
        15.0,
        gt=0,
        description="Beyond three segments: a capture that has closed none for so long hangs, and is replaced.",
    )
    stuck_after_seconds: float = Field(
        60.0, gt=0, description="/healthz fails when the main loop has not moved for so long."
    )


def load_config(environ: Mapping[str, str] = os.environ) -> RecorderConfig:
    """Return what to record.

    Raises:
        ConfigurationError: when the variable is missing or not a `RecorderConfig`; names each bad field.
    """
    text = environ.get(RECORDER_CONFIG_ENV)
    if text is None:
        raise ConfigurationError(
            f"The environment variable {RECORDER_CONFIG_ENV} is not set; the operator sets it on every Pod."
        )
    try:
        # Also within `video` and `audio`, which are strict for users: a newer operator may say more.
        return RecorderConfig.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'text'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{RECORDER_CONFIG_ENV} is not usable: {faults}") from None
