"""The entries of allow and deny lists: a host, a host with a port, an address, or a network.

In: the text that an administrator wrote. Out: an `Entry`, or a sentence about what is wrong with the text. Hosts are
read by the same parser as pages' URLs, so that both sides of a comparison are written alike: lower case, no dot at
the end, other scripts in their ASCII form.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Network, ip_network
from typing import Final

from pydantic_core import Url, ValidationError

from egress_api.address_ranges import Address, Network, parse_address

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_MAX_NAME: Final = 253
_PORT: Final = re.compile(r"(?P<host>.+):(?P<port>[0-9]{1,5})")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True)
class Entry:
    """One entry: a host or a network, never both."""

    host: str | None = None
    network: Network | None = None
    port: int | None = None

    def holds_host(self, host: str) -> bool:
        """Say whether this entry names the host, in whatever form."""
        address = as_address(host)
        return self.host == host if address is None else self.holds(address)

    def holds(self, address: Address) -> bool:
        """Say whether this entry is a network with the address in it."""
        return self.network is not None and address in self.network


def normal_host(host: str) -> str:
    """Write a host as hosts are compared; IPv6 without brackets.

    Raises:
        ValueError: a browser would not take it as a host.
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        found = Url(f"http://[{bare}]/" if ":" in bare else f"http://{bare}/")
    except ValidationError as refused:
        raise ValueError(f"{host!r} is not a host") from refused
    # Whatever the parser took for a path, a query or user info was no part of a host.
    if found.host is None or found.path != "/" or re.search(r"[/\\?#@\s]", bare):
        raise ValueError(f"{host!r} is not a host")
    name = found.host.removeprefix("[").removesuffix("]").removesuffix(".")
    if as_address(name) is None and (len(name) > _MAX_NAME or _NAME.fullmatch(name) is None):
        raise ValueError(f"{host!r} is not a host")
    return name


def as_address(host: str) -> Address | None:
    """Read a host that is written as an address; None if it is a name."""
    try:
        return parse_address(host)
    except ValueError:
        return None


def check_entry(text: str) -> str:
    """Accept an entry as it is written, for pydantic.

    Raises:
        ValueError: it is no entry; the sentence says what to write instead.
    """
    parse_entry(text)
    return text


@lru_cache(maxsize=4096)
def parse_entry(text: str) -> Entry:
    """Read an entry.

    Raises:
        ValueError: as for `check_entry`.
    """
    if "/" in text:
        return Entry(network=_network(text))
    if (address := as_address(text)) is not None:
        return Entry(network=ip_network(address))
    host, port = text, None
    if (with_port := _PORT.fullmatch(text)) and (":" not in with_port["host"] or text.startswith("[")):
        host, port = with_port["host"], int(with_port["port"])
        if not 1 <= port <= 65_535:  # noqa: PLR2004 - all the ports there are
            raise ValueError(f"{text!r} has no port from 1 to 65535")
    if (address := as_address(host.removeprefix("[").removesuffix("]"))) is not None:
        return Entry(network=ip_network(address), port=port)
    if "*" in host:
        raise ValueError(f"{text!r} has a wildcard: name each host, or the network it is in (10.1.0.0/16)")
    try:
        name = normal_host(host)
    except ValueError as refused:
        raise ValueError(
            f"{text!r} is no host, address or network: write pages.media, pages.media:8080, 10.1.2.3 or 10.1.0.0/16"
        ) from refused
    if as_address(name) is not None:
        raise ValueError(f"{text!r} is a way to write {name}: write it like that")
    return Entry(host=name, port=port)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as refused:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                f"{text!r} is no network: write it like 10.1.0.0/16 or fd12:3456::/48"
            ) from refused
        raise ValueError(f"{text!r} is no network: did you mean {meant}?") from refused
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return ip_network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - 96))
    return network
