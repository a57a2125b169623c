"""Why the API server would not take a recorder's Pod: a table of rules, tried in order, the first that fits wins.

In: the API's error. Out: a `Refusal`, or None where it is no refusal of this Pod but an API server that is away. Pure.
What passes by itself, or by an administrator's hand, is waited for; what is wrong with the Pod itself is not.
"""

import re
from dataclasses import dataclass
from typing import Final

from egress_api.states import Reason
from egress_operator.decision import Refusal
from egress_operator.errors import ApiError, QuotaExceededError, RefusedError


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    said: re.Pattern[str]
    reason: Reason
    sentence: str
    passes: bool


REFUSALS: Final = (
    _Rule(
        name="a ResourceQuota has no room",
        said=re.compile("exceeded quota"),
        reason=Reason.QUOTA_EXCEEDED,
        sentence="no room in the namespace's quota",
        passes=True,
    ),
    _Rule(
        name="an admission webhook does not answer",
        said=re.compile("failed calling webhook|failed to call webhook"),
        reason=Reason.ADMISSION_REFUSED,
        sentence="an admission webhook does not answer, so the API server takes no Pod",
        passes=True,
    ),
    _Rule(
        name="its service account, priority class or runtime class does not exist",
        # A new namespace has no default account for a second.
        said=re.compile(
            "error looking up service account|no PriorityClass with name|RuntimeClass .*not found"
        ),
        reason=Reason.CONFIG_ERROR,
        sentence="the recorder's Pod needs what is not there",
        passes=True,
    ),
    _Rule(
        name="the operator has no right to create Pods",
        said=re.compile('cannot create resource "pods"'),
        reason=Reason.CONFIG_ERROR,
        sentence="the operator may not create Pods here (its Role comes with the chart)",
        passes=True,
    ),
    _Rule(
        name="anything else: PodSecurity, a webhook's or a policy's no, a LimitRange, validation",
        said=re.compile(""),
        reason=Reason.ADMISSION_REFUSED,
        sentence="the API server refused the recorder's Pod",
        passes=False,
    ),
)


def refusal_of(error: ApiError) -> Refusal | None:
    """Return what an error means for a Pod that was to be created; None when it says nothing about the Pod."""
    rule = next(rule for rule in REFUSALS if rule.said.search(error.message))
    # A webhook that is away is a 500, as much else that has nothing to do with this Pod.
    if rule is REFUSALS[-1] and not isinstance(error, RefusedError | QuotaExceededError):
        return None
    return Refusal(reason=rule.reason, message=f"{rule.sentence}: {error.message}", passes=rule.passes)
