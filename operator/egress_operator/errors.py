"""What can go wrong in the operator.

OperatorError
├── SettingsError                 the settings, or the cluster they are for, can't be used
├── ResourceMissingError          what is to be watched is not there (yet)
├── PluginError                   `kubectl egress` can't do what it was asked
│   └── KubectlError              kubectl refused, or gave no answer in time
└── ApiError                      the Kubernetes API said no, or nothing
    ├── NotFoundError             404
    ├── ConflictError             409 on a write: somebody else was first, read again
    │   └── AlreadyExistsError    409 on a create
    ├── RefusedError              the request is at fault: the same again is refused again
    ├── QuotaExceededError        403 of a ResourceQuota: may pass later
    └── UnavailableError          410, 429, 5xx, no connection, no answer in time: try again
"""


class OperatorError(Exception):
    """Base of everything the operator raises on purpose."""


class SettingsError(OperatorError):
    """The settings can't be used; the text names the file and each key."""


class ResourceMissingError(OperatorError):
    """The API server does not have what is to be watched; it may come."""


class PluginError(OperatorError):
    """`kubectl egress` can't do what it was asked; the text is for the person who asked."""


class KubectlError(PluginError):
    """kubectl refused, and has said so itself (no text here), or gave no answer in time."""


class ApiError(OperatorError):
    """The Kubernetes API said no, or nothing.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        reason: the API's own word, such as Forbidden; may be empty.
        message: the API's own sentence.
        retry_after: seconds for which it asks to be left alone; 0 where it doesn't.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float = 0) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}".strip())
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotFoundError(ApiError):
    """404: there is no such object (any more)."""


class ConflictError(ApiError):
    """409: somebody else wrote first; read again and decide anew."""


class AlreadyExistsError(ConflictError):
    """409 on a create: the name is taken."""


class RefusedError(ApiError):
    """The request is at fault (400, 403, 422): the same again would be refused again."""


class QuotaExceededError(ApiError):
    """403 of a ResourceQuota: there may be room later."""


class UnavailableError(ApiError):
    """429, 5xx, no connection, no answer in time: trying again later may do."""
