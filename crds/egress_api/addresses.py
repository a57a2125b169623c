"""Where a page may reach: the check of its URL, and of every address behind a host.

In: a URL, or a host with the addresses that it resolved to, and the app's rules. Out: the target, or the addresses
to connect to, or `ForbiddenTarget` with a sentence. Nothing here resolves names or connects: the gateway resolves
before it accepts a task, the recorder's proxy at each connection, and both ask here.

A URL is judged by what a browser makes of it (the parser is the browsers' own, WHATWG), never by how it is written:
`http://0x7f.1`, `http://2130706433` and `http://①②⑦.1` are all 127.0.0.1.

The rules: the public internet may be reached, on `ports`. `deny` wins over everything. A host in `allow` may have
private addresses; any other special address needs an entry that holds the address itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import Url, ValidationError

from egress_api.address_entries import Entry, as_address, normal_host, parse_entry
from egress_api.address_ranges import Address, faces, parse_address, special_range
from egress_api.page import PageRules

MAX_URL: Final = 1024
_SCHEMES: Final = ("http", "https")
_ALLOW: Final = "pages.default.allow or pages.apps.APP.allow"
_DENY: Final = "pages.default.deny or pages.apps.APP.deny"
_LOOPBACK: Final = "127.0.0.1"


class ForbiddenTarget(ValueError):  # noqa: N818 - what it is, as users read it (PageForbidden)
    """A page may not reach this.

    The sentence is for whoever started the task and never tells what a name resolves to; `address` does, for logs.
    """

    def __init__(self, sentence: str, *, address: Address | None = None) -> None:
        super().__init__(sentence)
        self.address = address


@dataclass(frozen=True)
class PageTarget:
    """What a URL leads to; the host as hosts are compared (IPv6 without brackets)."""

    scheme: str
    host: str
    port: int


def check_url(url: str, rules: PageRules) -> PageTarget:
    """Check a page's URL; one with an address in it also for that address.

    The caller still has to resolve a name, and to ask `check_addresses`.

    Raises:
        ForbiddenTarget: the page may not be opened; the sentence says why.
    """
    if len(url) > MAX_URL:
        raise ForbiddenTarget(f"a page's URL has at most {MAX_URL} characters, this one has {len(url)}")
    try:
        parsed = Url(url)
    except ValidationError as refused:
        why = refused.errors()[0]["msg"].rpartition(", ")[2]
        raise ForbiddenTarget(f"this is no URL that a browser would open: {why}") from refused
    if parsed.scheme not in _SCHEMES:
        raise ForbiddenTarget(f"pages are opened by http or https, not by {parsed.scheme}")
    if parsed.username is not None or parsed.password is not None or _has_user_info(url):
        raise ForbiddenTarget("a page's URL holds no user info (what stands before an @): take it out")
    try:
        host = normal_host(parsed.host or "")
    except ValueError as refused:
        raise ForbiddenTarget(str(refused)) from refused
    target = PageTarget(parsed.scheme, host, parsed.port or 0)
    check_host(target.host, target.port, rules)
    literal = _LOOPBACK if host == "localhost" or host.endswith(".localhost") else host
    if as_address(literal) is not None:
        check_addresses(target.host, target.port, [literal], rules)
    return target


def check_host(host: str, port: int, rules: PageRules) -> None:
    """Check what can be said before a name is resolved: the port, and the hosts that are denied.

    Raises:
        ForbiddenTarget: as for `check_url`.
    """
    if _holding(rules.deny, host, port):
        raise ForbiddenTarget(f"{host} is on the deny list: see {_DENY}")
    opened = {entry.port for entry in map(parse_entry, rules.allow) if entry.holds_host(host)}
    if port not in rules.ports and port not in opened:
        known = ", ".join(map(str, rules.ports))
        raise ForbiddenTarget(
            f"pages do not reach port {port} of {host}, only {known}: to open it, add {_with_port(host, port)} to "
            f"{_ALLOW}"
        )


def check_addresses(
    host: str, port: int, addresses: Iterable[str | Address], rules: PageRules
) -> list[Address]:
    """Check a host with all of its addresses; connect to those that are given back, and to nothing else.

    One address that may not be reached is enough to refuse the host: a name with a public and a private address is
    how pages are led astray.

    Raises:
        ForbiddenTarget: as for `check_url`; also if there is no address.
    """
    try:
        host = normal_host(host)
        checked = [parse_address(str(address)) for address in addresses]
    except ValueError as refused:
        raise ForbiddenTarget(str(refused)) from refused
    if not checked:
        raise ForbiddenTarget(f"{host} has no address")
    check_host(host, port, rules)
    for address in checked:
        for face in faces(address):
            _check_face(face, host, port, rules)
    return list(dict.fromkeys(checked))


def _check_face(address: Address, host: str, port: int, rules: PageRules) -> None:
    if any(e.holds(address) and e.port in (None, port) for e in map(parse_entry, rules.deny)):
        raise ForbiddenTarget(f"{host} leads to an address on the deny list: see {_DENY}", address=address)
    special = special_range(address)
    if special is None:
        return
    allowed = [parse_entry(text) for text in rules.allow]
    if any(entry.holds(address) for entry in allowed):
        return
    if special.private and any(entry.host == host for entry in allowed):
        return
    wanted = f"{host}, or the network it is in," if special.private else "the network it is in"
    raise ForbiddenTarget(
        f"{host} leads to {special.words}, and pages reach only the public internet: to allow it, add {wanted} to "
        f"{_ALLOW}",
        address=address,
    )


def _holding(entries: list[str], host: str, port: int) -> list[Entry]:
    """Give the entries that name a host, with this port or with none."""
    return [e for e in map(parse_entry, entries) if e.holds_host(host) and e.port in (None, port)]


def _has_user_info(url: str) -> bool:
    """See an @ before the path, which the parser drops when nothing stands before it."""
    authority = url.partition(":")[2].lstrip("/\\")
    for end in "/\\?#":
        authority = authority.partition(end)[0]
    return "@" in authority


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
