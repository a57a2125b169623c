"""What can end or disturb a recording, as the tree that the rest of the package raises and catches.

RecorderError                a reason (a word of `Reason`), a sentence, whether another attempt may do better
├── StoreError               the store did not do what it was asked
│   ├── StoreRefusedError    it answered no: credentials, rights, bucket, options
│   └── StoreUnreachableError  it did not answer, or answered that it is unwell
│       └── ObjectDamagedError  it took an object, and holds other bytes: the version to write over
├── OutputExistsError        the task's folder holds another task's recording
├── PackagingError           no file can be made of what is recorded
├── FencedError              a later attempt of the same task has taken over
└── ConfigurationError       the recorder was told something that it can't do

ObjectExistsError            a create-only write met an object (never leaves the package)
ObjectChangedError           a conditional write met another version (never leaves the package)
"""

from typing import Any, ClassVar

from egress_api.states import Reason


class RecorderError(Exception):
    """A fault that ends the task when nothing can be done about it; `str()` is the sentence for people."""

    reason: ClassVar[Reason] = Reason.RECORDER_FAILED
    retryable: ClassVar[bool] = True


class StoreError(RecorderError):
    """The store did not do what it was asked."""


class StoreRefusedError(StoreError):
    """The store said no; asking again with the same words will not help."""

    reason = Reason.STORE_REFUSED
    retryable = False


class StoreUnreachableError(StoreError):
    """The store gave no usable answer; it may later."""

    reason = Reason.STORE_UNREACHABLE


class ObjectDamagedError(StoreUnreachableError):
    """An object of ours is not what was written.

    Args:
        sentence: what is wrong.
        version: of the object that is wrong.
    """

    def __init__(self, sentence: str, *, version: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.version = version


class OutputExistsError(RecorderError):
    """The task's folder in the store belongs to another task."""

    reason = Reason.OUTPUT_EXISTS
    retryable = False


class PackagingError(RecorderError):
    """The segments can't be put into the file that is wanted; trying again will not help."""

    reason = Reason.PACKAGING_FAILED
    retryable = False


class FencedError(RecorderError):
    """A later attempt owns the recording now: this one must not write another byte."""

    reason = Reason.OUTPUT_EXISTS
    retryable = False


class ConfigurationError(RecorderError):
    """The configuration asks for something that this recorder can't do."""

    retryable = False


class ObjectExistsError(Exception):
    """An object of that name is already in the store."""


class ObjectChangedError(Exception):
    """The object in the store is no longer the version that was expected."""
