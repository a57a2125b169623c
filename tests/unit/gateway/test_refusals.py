"""What the API server's no becomes; its messages here are copied from a real one."""

import pytest

from egress_gateway.errors import ClusterRefusedError, ClusterUnreachableError, ProblemKind
from egress_gateway.refusals import problem_of

QUOTA = (
    'secrets "t5-token" is forbidden: exceeded quota: few, requested: count/secrets=1, '
    "used: count/secrets=5, limited: count/secrets=5"
)
RBAC = (
    'egresstasks.egress-operator.dev is forbidden: User "system:serviceaccount:egress:gateway" cannot create '
    'resource "egresstasks" in API group "egress-operator.dev" in the namespace "egress"'
)
TERMINATING = (
    'egresstasks.egress-operator.dev "t5" is forbidden: unable to create new content in namespace egress '
    "because it is being terminated"
)
POLICY = "ValidatingAdmissionPolicy 'hours' with binding 'hours' denied request: no recording on Sundays"
STRICT = 'EgressTask in version "v1alpha1" cannot be handled as a EgressTask: strict decoding error: unknown field "spec.x"'


@pytest.mark.parametrize(
    ("code", "reason", "message", "kind", "words"),
    [
        (403, "Forbidden", QUOTA, ProblemKind.QUOTA_EXCEEDED, "have the quota raised"),
        (403, "Forbidden", RBAC, ProblemKind.NOT_SET_UP, "The gateway's Role doesn't allow it"),
        (403, "Forbidden", TERMINATING, ProblemKind.NOT_SET_UP, "namespace is being deleted"),
        (403, "Forbidden", POLICY, ProblemKind.REFUSED, "no recording on Sundays"),
        (422, "Invalid", POLICY, ProblemKind.REFUSED, "no recording on Sundays"),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            ProblemKind.NOT_SET_UP,
            "Install",
        ),
        (400, "BadRequest", STRICT, ProblemKind.NOT_SET_UP, "Upgrade the CRD"),
        (401, "Unauthorized", "Unauthorized", ProblemKind.NOT_SET_UP, "service account"),
        (429, "TooManyRequests", "too many requests", ProblemKind.UNAVAILABLE, "too many requests"),
        (500, "InternalError", "etcdserver: no leader", ProblemKind.UNAVAILABLE, "no leader"),
        (504, "Timeout", "request timed out", ProblemKind.UNAVAILABLE, "timed out"),
    ],
)
def test_a_refusal_says_who_can_do_what(
    code: int, reason: str, message: str, kind: ProblemKind, words: str
) -> None:
    error = ClusterRefusedError(code, reason=reason, message=message)
    problem = problem_of(error, deed="the task can't be created")
    assert problem.kind is kind
    assert problem.detail.startswith("the task can't be created: ")
    assert words in problem.detail
    assert ("Retry-After" in problem.headers) == (problem.status == 503)
    assert ("never makes a second task" in problem.detail) == (problem.status == 503)


def test_the_api_servers_own_wait_is_passed_on() -> None:
    error = ClusterRefusedError(429, message="later", retry_after=7)
    assert problem_of(error, deed="x").headers["Retry-After"] == "7"


def test_an_api_server_that_is_not_there_is_worth_another_try() -> None:
    problem = problem_of(ClusterUnreachableError("no route"), deed="the task can't be read")
    assert problem.kind is ProblemKind.UNAVAILABLE
    assert int(problem.headers["Retry-After"]) > 0


def test_a_field_that_the_schema_refuses_is_named_as_the_caller_knows_it() -> None:
    error = ClusterRefusedError(
        422,
        reason="Invalid",
        message="EgressTask is invalid",
        causes=[
            ("spec.video.width", "Invalid value: 1281: should be a multiple of 2"),
            ("spec.filenamePattern", "Invalid value: must be so"),
            ("spec.users[1]", "must be so"),
            ("spec.accessTokenSecretRef.name", "must be so"),
            ("spec.requestId", "must be so"),
            ("spec.command", "must be so"),
            ("spec", "must be so"),
        ],
    )
    problem = problem_of(error, deed="the task can't be created")
    assert problem.status == 400
    assert [(e.pointer, e.detail) for e in problem.errors] == [
        ("/payload/video/width", "1281: should be a multiple of 2"),
        ("/payload/filename_pattern", "must be so"),
        ("/payload/users/1", "must be so"),
        ("/payload/access_token", "must be so"),
        ("/request_id", "must be so"),
        ("/cmd", "must be so"),
        ("", "must be so"),
    ]
