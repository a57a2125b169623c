"""Where a page may reach: every way to write an address, every special range, and what the rules lift."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from egress_api.address_ranges import faces, special_range
from egress_api.addresses import ForbiddenTarget, PageTarget, check_addresses, check_url
from egress_api.page import PageRules

NONE = PageRules()


def rules(*allow: str, deny: tuple[str, ...] = (), ports: tuple[int, ...] = (80, 443)) -> PageRules:
    return PageRules(allow=list(allow), deny=list(deny), ports=list(ports))


FORBIDDEN_URLS = {
    # How the loopback address can be written
    "dotted": ("http://127.0.0.1/", "loopback"),
    "another loopback": ("http://127.8.9.10/", "loopback"),
    "decimal": ("http://2130706433/", "loopback"),
    "hex": ("http://0x7f000001/", "loopback"),
    "hex parts": ("http://0x7f.0x0.0x0.0x1/", "loopback"),
    "octal": ("http://0177.0.0.1/", "loopback"),
    "octal with zeros": ("http://0000177.0.0.01/", "loopback"),
    "octal whole": ("http://017700000001/", "loopback"),
    "mixed": ("http://0x7f.1/", "loopback"),
    "two parts": ("http://127.1/", "loopback"),
    "three parts": ("http://127.0.1/", "loopback"),
    "dot at the end": ("http://127.0.0.1./", "loopback"),
    "percent": ("http://%31%32%37.0.0.1/", "loopback"),
    "circled digits": ("http://①②⑦.⓪.⓪.①/", "loopback"),
    "full width": ("http://１２７.０.０.１/", "loopback"),
    "ideographic dots": ("http://127。0。0。1/", "loopback"),
    "tab inside": ("http://127.0.\t0.1/", "loopback"),
    "newline inside": ("http://127.0.\n0.1/", "loopback"),
    "soft hyphen inside": ("http://127.0.0\u00ad.1/", "loopback"),
    "space before": (" http://127.0.0.1/", "loopback"),
    "backslashes": ("http:\\\\127.0.0.1\\", "loopback"),
    "no slashes": ("http:127.0.0.1", "loopback"),
    "three slashes": ("http:///127.0.0.1", "loopback"),
    "capital scheme": ("HTTP://127.0.0.1/", "loopback"),
    "zero": ("http://0/", "unspecified"),
    "localhost": ("http://localhost/", "loopback"),
    "localhost, shouted": ("http://LOCALHOST./", "loopback"),
    "below localhost": ("http://a.localhost/", "loopback"),
    # IPv6
    "loopback 6": ("http://[::1]/", "loopback"),
    "loopback 6, long": ("http://[0:0:0:0:0:0:0:1]/", "loopback"),
    "unspecified 6": ("http://[::]/", "unspecified"),
    "mapped": ("http://[::ffff:127.0.0.1]/", "loopback"),
    "mapped, hex": ("http://[::ffff:7f00:1]/", "loopback"),
    "compatible": ("http://[::127.0.0.1]/", "IPv4-compatible"),
    "translated": ("http://[::ffff:0:127.0.0.1]/", "reserved"),
    "NAT64": ("http://[64:ff9b::127.0.0.1]/", "loopback"),
    "NAT64, local": ("http://[64:ff9b:1::7f00:1]/", "local NAT64"),
    "6to4": ("http://[2002:7f00:1::]/", "6to4"),
    "Teredo": ("http://[2001:0:a00:1::80ff:fffe]/", "Teredo"),
    "ISATAP": ("http://[2606:4700::5efe:10.0.0.1]/", "private"),
    "ISATAP, global": ("http://[2606:4700::200:5efe:10.0.0.1]/", "private"),
    "link-local 6": ("http://[fe80::1]/", "link-local"),
    "site-local": ("http://[fec0::1]/", "site-local"),
    "zone": ("http://[fe80::1%25eth0]/", "no URL"),
    # Ranges
    "metadata": ("http://169.254.169.254/latest/", "link-local"),
    "metadata, decimal": ("http://2852039166/", "link-local"),
    "metadata, mapped": ("http://[::ffff:a9fe:a9fe]/", "link-local"),
    "metadata, AWS 6": ("http://[fd00:ec2::254]/", "metadata"),
    "metadata, Azure": ("http://168.63.129.16/", "metadata"),
    "metadata, Alibaba": ("http://100.100.100.200/", "metadata"),
    "metadata, Oracle": ("http://192.0.0.192/", "protocols"),
    "10": ("http://10.1.2.3/", "RFC 1918"),
    "172.16": ("http://172.31.255.255/", "RFC 1918"),
    "192.168": ("http://192.168.0.1/", "RFC 1918"),
    "carrier": ("http://100.64.0.1/", "RFC 6598"),
    "unique local": ("http://[fd12:3456::1]/", "RFC 4193"),
    "benchmarking": ("http://198.18.0.1/", "benchmarking"),
    "documentation": ("http://203.0.113.7/", "documentation"),
    "documentation 6": ("http://[2001:db8::1]/", "documentation"),
    "multicast": ("http://224.0.0.1/", "multicast"),
    "multicast 6": ("http://[ff02::1]/", "multicast"),
    "broadcast": ("http://255.255.255.255/", "broadcast"),
    "reserved": ("http://240.0.0.1/", "reserved"),
    "unassigned 6": ("http://[4000::1]/", "reserved"),
    # What is no address
    "user info": ("http://me@pages.example/", "user info"),
    "password": ("http://me:word@pages.example/", "user info"),
    "empty user info": ("http://@pages.example/", "user info"),
    "user info as a host": ("http://pages.example@127.0.0.1/", "user info"),
    "user info, backslash": ("http:\\\\me@pages.example", "user info"),
    "file": ("file:///etc/passwd", "by file"),
    "ftp": ("ftp://pages.example/", "by ftp"),
    "data": ("data:text/html,hello", "by data"),
    "script": ("javascript:alert(1)", "by javascript"),
    "about": ("about:blank", "by about"),
    "browser's own": ("chrome://crash", "by chrome"),
    "source view": ("view-source:http://pages.example/", "by view-source"),
    "WebSocket": ("ws://pages.example/", "by ws"),
    "no scheme": ("pages.example", "no URL"),
    "empty": ("", "no URL"),
    "port": ("http://pages.example:22/", "port 22"),
    "port 0": ("http://pages.example:0/", "port 0"),
    "port too high": ("http://pages.example:65616/", "no URL"),
    "numbers too high": ("http://256.1.1.1/", "no URL"),
    "ends in a number": ("http://pages.0x1/", "no URL"),
    "empty label": ("http://pages..example/", "not a host"),
    "long label": (f"http://{'a' * 64}.example/", "not a host"),
    "long": ("http://pages.example/" + "a" * 1010, "1024"),
}


@pytest.mark.parametrize(("url", "words"), FORBIDDEN_URLS.values(), ids=FORBIDDEN_URLS)
def test_a_url_that_leads_where_pages_may_not_reach_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(ForbiddenTarget, match=words):
        check_url(url, NONE)


OPEN_URLS = {
    "name": ("http://pages.example/a?b#c", PageTarget("http", "pages.example", 80)),
    "https": ("https://pages.example", PageTarget("https", "pages.example", 443)),
    "written port": ("https://pages.example:80/", PageTarget("https", "pages.example", 80)),
    "capitals and a dot": ("HTTPS://Pages.EXAMPLE./", PageTarget("https", "pages.example", 443)),
    "another script": ("http://bücher.example/", PageTarget("http", "xn--bcher-kva.example", 80)),
    "underscore": ("http://my_page.example/", PageTarget("http", "my_page.example", 80)),
    "one label": ("http://pages/", PageTarget("http", "pages", 80)),
    "an @ in the path": ("http://pages.example/@me", PageTarget("http", "pages.example", 80)),
    "an @ in the query": ("http://pages.example?q=a@b", PageTarget("http", "pages.example", 80)),
    "public 4": ("http://8.8.8.8/", PageTarget("http", "8.8.8.8", 80)),
    "public 6": ("http://[2606:4700::1111]/", PageTarget("http", "2606:4700::1111", 80)),
    "public behind NAT64": ("http://[64:ff9b::8.8.8.8]/", PageTarget("http", "64:ff9b::808:808", 80)),
}


@pytest.mark.parametrize(("url", "target"), OPEN_URLS.values(), ids=OPEN_URLS)
def test_a_public_url_is_read_as_a_browser_reads_it(url: str, target: PageTarget) -> None:
    assert check_url(url, NONE) == target


# host, port, addresses, rules, and the words of the refusal; None: allowed
RULED = {
    "a name with a private address": ("pages.media", 80, ["10.1.2.3"], NONE, "RFC 1918"),
    "its host is allowed": ("pages.media", 80, ["10.1.2.3"], rules("pages.media"), None),
    "written in capitals with a dot": ("Pages.Media.", 80, ["10.1.2.3"], rules("PAGES.media."), None),
    "in another script": ("xn--bcher-kva.a", 80, ["10.1.2.3"], rules("bücher.a"), None),
    "another host is allowed": ("pages.media", 80, ["10.1.2.3"], rules("media", "x.pages.media"), "RFC 1918"),
    "a host's carrier address": ("pages.media", 80, ["100.64.0.9"], rules("pages.media"), None),
    "a host's unique local address": ("pages.media", 80, ["fd12::9"], rules("pages.media"), None),
    "a host's loopback": ("pages.media", 80, ["127.0.0.1"], rules("pages.media"), "loopback"),
    "a host's metadata": ("pages.media", 80, ["169.254.169.254"], rules("pages.media"), "link-local"),
    "a host's Alibaba metadata": ("pages.media", 80, ["100.100.100.200"], rules("pages.media"), "metadata"),
    "a host's AWS metadata": ("pages.media", 80, ["fd00:ec2::254"], rules("pages.media"), "metadata"),
    "a host's multicast": ("pages.media", 80, ["239.1.1.1"], rules("pages.media"), "multicast"),
    "a host's mapped loopback": ("pages.media", 80, ["::ffff:127.0.0.1"], rules("pages.media"), "loopback"),
    "a host behind NAT64, private": ("pages.media", 80, ["64:ff9b::10.0.0.1"], rules("pages.media"), None),
    "its network is allowed": ("pages.media", 80, ["10.1.2.3"], rules("10.1.0.0/16"), None),
    "its mapped network is allowed": ("pages.media", 80, ["10.1.2.3"], rules("::ffff:10.1.0.0/112"), None),
    "its mapped address is in it": ("pages.media", 80, ["::ffff:10.1.2.3"], rules("10.1.0.0/16"), None),
    "its address is allowed": ("pages.media", 80, ["10.1.2.3"], rules("10.1.2.3"), None),
    "another network is allowed": ("pages.media", 80, ["10.2.2.3"], rules("10.1.0.0/16"), "RFC 1918"),
    "loopback by network": ("pages.media", 80, ["127.0.0.1"], rules("127.0.0.0/8"), None),
    "loopback 6 by address": ("::1", 80, ["::1"], rules("::1"), None),
    "metadata by address": ("169.254.169.254", 80, ["169.254.169.254"], rules("169.254.169.254"), None),
    "6to4 needs both": ("pages.media", 80, ["2002:a00:1::"], rules("2002::/16"), "RFC 1918"),
    "6to4 with both": ("pages.media", 80, ["2002:a00:1::"], rules("2002::/16", "10.0.0.0/8"), None),
    "one of two is private": ("pages.example", 80, ["8.8.8.8", "10.0.0.1"], NONE, "RFC 1918"),
    "no address": ("pages.example", 80, [], NONE, "no address"),
    "a zone": ("pages.example", 80, ["fe80::1%eth0"], rules("fe80::/10"), "zone"),
    "not an address": ("pages.example", 80, ["somewhere"], NONE, "somewhere"),
    "a denied host": ("pages.example", 80, ["8.8.8.8"], rules(deny=("Pages.Example.",)), "deny"),
    "another host is denied": ("pages.example", 80, ["8.8.8.8"], rules(deny=("example",)), None),
    "a denied network": ("pages.example", 80, ["8.8.8.8"], rules(deny=("8.8.0.0/16",)), "deny"),
    "denied, carried": ("pages.example", 80, ["64:ff9b::8.8.8.8"], rules(deny=("8.8.8.8",)), "deny"),
    "denied and allowed": ("pages.media", 80, ["10.1.2.3"], rules("pages.media", deny=("pages.media",)), "deny"),
    "denied network, allowed host": (
        "pages.media", 80, ["10.1.2.3"], rules("pages.media", deny=("10.0.0.0/8",)), "deny",
    ),
    "denied on another port": ("pages.example", 80, ["8.8.8.8"], rules(deny=("pages.example:443",)), None),
    "denied on this port": ("pages.example", 443, ["8.8.8.8"], rules(deny=("pages.example:443",)), "deny"),
    "a port that is not open": ("pages.example", 8080, ["8.8.8.8"], NONE, "port 8080"),
    "a port that is opened": ("pages.example", 8080, ["8.8.8.8"], rules(ports=(8080,)), None),
    "80 is closed then": ("pages.example", 80, ["8.8.8.8"], rules(ports=(8080,)), "port 80 "),
    "a host's own port": ("pages.media", 8080, ["10.1.2.3"], rules("pages.media:8080"), None),
    "its port leaves 80 open": ("pages.media", 80, ["10.1.2.3"], rules("pages.media:8080"), None),
    "another host's port": ("pages.example", 8080, ["8.8.8.8"], rules("pages.media:8080"), "port 8080"),
    "an address's own port": ("10.1.2.3", 8080, ["10.1.2.3"], rules("10.1.2.3:8080"), None),
    "an address's own port 6": ("fd12::1", 8080, ["fd12::1"], rules("[fd12::1]:8080"), None),
    "a network opens no port": ("10.1.2.3", 8080, ["10.1.2.3"], rules("10.1.0.0/16"), "port 8080"),
}  # fmt: skip


@pytest.mark.parametrize(("host", "port", "addresses", "given_rules", "words"), RULED.values(), ids=RULED)
def test_rules_lift_and_deny(
    host: str, port: int, addresses: list[str], given_rules: PageRules, words: str | None
) -> None:
    if words is None:
        assert check_addresses(host, port, addresses, given_rules)
        return
    with pytest.raises(ForbiddenTarget, match=words):
        check_addresses(host, port, addresses, given_rules)


def test_addresses_to_connect_to_are_given_once_and_unmapped() -> None:
    found = check_addresses("pages.example", 443, ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1"], NONE)

    assert [str(address) for address in found] == ["8.8.8.8", "2606:4700::1"]


def test_a_refusal_names_the_setting_and_keeps_the_address_for_the_log() -> None:
    with pytest.raises(ForbiddenTarget) as refused:
        check_addresses("pages.media", 80, ["10.1.2.3"], NONE)

    assert "pages.apps.APP.allow" in str(refused.value)
    assert "10.1.2.3" not in str(refused.value)
    assert str(refused.value.address) == "10.1.2.3"


BAD_ENTRIES = {
    "wildcard": ("*.media", "wildcard"),
    "URL": ("http://pages.media/", "no network"),
    "host bits": ("10.1.2.3/16", "did you mean 10.1.0.0/16"),
    "odd address": ("0x7f.1", "a way to write 127.0.0.1"),
    "short address": ("10.1", "a way to write 10.0.0.1"),
    "port 0": ("pages.media:0", "1 to 65535"),
    "port too high": ("pages.media:70000", "1 to 65535"),
    "port of a network": ("10.1.0.0/16:8080", "no network"),
    "user info": ("me@pages.media", "no host"),
    "query": ("pages.media?a", "no host"),
    "spaces": ("pages media", "no host"),
    "empty label": ("pages..media", "no host"),
    "zone": ("fe80::1%eth0", "no host"),
    "empty": ("", "at least 1"),
}


@pytest.mark.parametrize("field", ["allow", "deny"])
@pytest.mark.parametrize(("entry", "words"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_an_entry_that_is_none_is_refused_when_settings_are_read(entry: str, words: str, field: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PageRules.model_validate({field: [entry]})


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(ADDRESSES)
def test_no_address_that_python_knows_as_special_passes(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # IPv4 in these two is unwrapped and judged by itself.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not address.is_global or address.is_multicast:
        assert any(special_range(face) for face in faces(address))


@given(st.ip_addresses(network="10.0.0.0/8"), st.sampled_from(["::ffff:", "64:ff9b::", "::"]))
def test_a_carried_private_address_never_passes(address: ipaddress.IPv4Address, prefix: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check_addresses("pages.example", 80, [f"{prefix}{address}"], NONE)
