"""What kind of address an address is: public, or one of the special ones, by the IANA registries.

In: a parsed address. Out: its special range, or none for a public address; and the addresses that have to be
judged for it, because an IPv6 address can carry an IPv4 address that a gateway or the kernel delivers to.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), and the addresses at which
clouds hand out credentials to whoever asks. Python's own `is_global` is no replacement: it changes with the
interpreter's patch level, and knows neither the clouds' addresses nor what an embedded IPv4 address is.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class SpecialRange:
    """A range that is not the public internet; `private` ones are where people's own servers stand."""

    network: Network
    words: str
    private: bool = False


def _special(text: str, words: str, *, private: bool = False) -> SpecialRange:
    return SpecialRange(ip_network(text), words, private)


_RESERVED: Final = _special("::/0", "a reserved address")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291
# RFC 5214: the lower half is 0:5efe:a.b.c.d, or 200:5efe:a.b.c.d where the IPv4 address is a global one.
_ISATAP: Final = 0x0000_5EFE << 32
_ISATAP_BITS: Final = 0xFDFF_FFFF << 32

# The first match counts: single addresses stand before the ranges that hold them.
_SPECIAL: Final = (
    # Metadata services inside ranges that would otherwise be public, or allowed for a host.
    _special("168.63.129.16/32", "a cloud's metadata address"),  # Azure
    _special("100.100.100.200/32", "a cloud's metadata address"),  # Alibaba
    _special("fd00:ec2::/32", "a cloud's metadata address"),  # AWS: metadata, EKS credentials, DNS, time
    _special("fd20:ce::254/128", "a cloud's metadata address"),  # Google
    _special("fd00:42::42/128", "a cloud's metadata address"),  # Scaleway
    # IPv4
    _special("0.0.0.0/8", "an unspecified address (RFC 791)"),
    _special("10.0.0.0/8", "a private address (RFC 1918)", private=True),
    _special("100.64.0.0/10", "a carrier's shared address (RFC 6598)", private=True),
    _special("127.0.0.0/8", "a loopback address"),
    _special("169.254.0.0/16", "a link-local address, where clouds keep their metadata (RFC 3927)"),
    _special("172.16.0.0/12", "a private address (RFC 1918)", private=True),
    _special("192.0.0.0/24", "reserved for protocols (RFC 6890)"),
    _special("192.0.2.0/24", "a documentation address (RFC 5737)"),
    _special("192.88.99.0/24", "a 6to4 relay (RFC 7526)"),
    _special("192.168.0.0/16", "a private address (RFC 1918)", private=True),
    _special("198.18.0.0/15", "a benchmarking address (RFC 2544)"),
    _special("198.51.100.0/24", "a documentation address (RFC 5737)"),
    _special("203.0.113.0/24", "a documentation address (RFC 5737)"),
    _special("224.0.0.0/4", "a multicast address"),
    _special("255.255.255.255/32", "the broadcast address"),
    _special("240.0.0.0/4", "a reserved address (RFC 1112)"),
    # IPv6; what is outside of 2000::/3 and not named here is reserved.
    _special("::/128", "an unspecified address"),
    _special("::1/128", "a loopback address"),
    _special("::/96", "an IPv4-compatible address (RFC 4291)"),
    _special("64:ff9b:1::/48", "a local NAT64 address (RFC 8215)"),
    _special("100::/64", "a discard address (RFC 6666)"),
    _special("2001::/32", "a Teredo address (RFC 4380)"),
    _special("2001:2::/48", "a benchmarking address (RFC 5180)"),
    _special("2001::/23", "reserved for protocols (RFC 2928)"),
    _special("2001:db8::/32", "a documentation address (RFC 3849)"),
    _special("2002::/16", "a 6to4 address (RFC 3056)"),
    _special("3fff::/20", "a documentation address (RFC 9637)"),
    _special("fc00::/7", "a private address (RFC 4193)", private=True),
    _special("fe80::/10", "a link-local address"),
    _special("fec0::/10", "a site-local address (RFC 3879)"),
    _special("ff00::/8", "a multicast address"),
)


def parse_address(text: str) -> Address:
    """Read an address as a resolver gives it; a mapped IPv4 address is that IPv4 address.

    Raises:
        ValueError: it is none, or it names a zone (`fe80::1%eth0`), which is never a public place.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text} names a zone, and pages reach no zones")
        return address.ipv4_mapped or address
    return address


@lru_cache(maxsize=4096)
def special_range(address: Address) -> SpecialRange | None:
    """Find the special range of an address; None for a public one."""
    for special in _SPECIAL:
        if address in special.network:
            return special
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST and address not in _NAT64:
        return _RESERVED
    return None


def faces(address: Address) -> list[Address]:
    """List what has to be judged for an address: itself, and each IPv4 address that it carries."""
    if isinstance(address, IPv4Address):
        return [address]
    found: list[Address] = [address]
    if address in _NAT64 or _is_compatible(address) or int(address) & _ISATAP_BITS == _ISATAP:
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    return found


def _is_compatible(address: IPv6Address) -> bool:
    # :: and ::1 are in that network and carry nothing.
    return address in _COMPATIBLE and int(address) > 1
