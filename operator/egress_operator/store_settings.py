"""Where recordings go, for all apps and for one: settings.

Part of settings.py, which has the rest and says how they are read. Pure data; a combination that no store can do is
refused here, with a sentence, rather than by each recording.
"""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from egress_api.folder import FolderTemplate

_TagKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 +\-=._:/]{1,128}$")]
_TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 +\-=._:/]{0,256}$")]
"""What S3 and Azure both take."""
_UNREADABLE: Final = {("s3", "GLACIER"), ("s3", "DEEP_ARCHIVE"), ("az", "ARCHIVE")}


class StorePlace(BaseModel):
    """One store: a bucket, and how to reach it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^(s3|gs|az|file)://\S+$",
        description="Bucket (and prefix) for all recordings: s3://, gs://, az:// or file:///path.",
    )
    folder: FolderTemplate = Field(
        "{app_id}/{task_id}",
        description="Folder of a task below the URL; {app_id}, {task_id}, {region} and {namespace} are filled in. "
        "It must contain {task_id}, so that recordings never collide.",
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of the store that are no secret, named as in obstore: endpoint, region, allow_http, "
        "aws_server_side_encryption … (docs/stores.md).",
    )
    credentials_secret: str = Field(
        "",
        description="Secret in the tasks' namespace whose keys are obstore's names of secret options "
        "(aws_access_key_id, aws_secret_access_key …); empty where the node or the service account gives access.",
    )
    volume_claim: str = Field(
        "", description="With file://: the PersistentVolumeClaim that is mounted at the URL's path."
    )
    storage_class: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]{0,64}$",
        description="Storage class (az: access tier) of the segments, such as STANDARD_IA, NEARLINE or Cool; playlist and "
        "manifest, which are written again and again, stay in the bucket's own. Empty: the bucket's own for all.",
    )
    tags: dict[_TagKey, _TagValue] = Field(
        default_factory=dict,
        max_length=10,
        description="Tags of every object, for lifecycle rules and bills; s3:// and az:// alone have them.",
    )

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        scheme = self.url.partition(":")[0]
        if self.storage_class and scheme == "file":
            raise ValueError("storageClass is set, and plain files have none: leave it out with file://")
        if (scheme, self.storage_class.upper()) in _UNREADABLE:
            raise ValueError(
                f"storageClass {self.storage_class} can't be read back, and a recorder reads what it has written: let a "
                "lifecycle rule of the bucket move recordings there"
            )
        if self.tags and scheme not in {"s3", "az"}:
            raise ValueError(f"tags are set, and {scheme}:// has none: leave them out")
        return self


class StoreSettings(StorePlace):
    """Where recordings go."""

    apps: dict[str, StorePlace] = Field(
        default_factory=dict,
        description="Stores by app id, wholly in this one's place: {url, folder, options, credentialsSecret, volumeClaim, "
        "storageClass, tags}; nothing of the default's holds for them.",
    )

    def of(self, app_id: str) -> StorePlace:
        """Return the store of an app."""
        return self.apps.get(app_id, self)
