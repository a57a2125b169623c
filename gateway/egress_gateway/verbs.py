"""What a call does, in Kubernetes' words: for rights, and for how long it may take. Pure."""

from aiohttp import hdrs


def verb_of(method: str, path: str) -> str:
    """Return Kubernetes' word for a call, as a Role has it.

    Args:
        method: of HTTP.
        path: as the route is declared, `{task_id}` and all.
    """
    one = "{task_id}" in path
    match method:
        case hdrs.METH_GET | hdrs.METH_HEAD:
            return "get" if one else "list"
        case hdrs.METH_DELETE:
            return "delete"
        case hdrs.METH_POST if not one:
            return "create"
        case hdrs.METH_POST if path.endswith("/status"):
            return "get"
        case _:
            return "patch"  # a stop is a change of the spec, too
