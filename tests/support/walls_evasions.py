"""The ways in which a page tries to reach what it should not, as data: each one has a port of its own.

In: nothing. Out: `EVASIONS`; support/walls_page.html carries them out (`way` names its function), and a listener of the
test's own at `reaches` is what a failed barrier would let it reach. So a hit on a port says which evasion went through.
"""

from dataclasses import dataclass
from typing import Any

FIRST_PORT = {"closed": 21000, "open": 21200}
"""The two runs of the page: under the rules that are tested, and under rules that allow everything."""

PRIVATE = "10.66.0.1"
MAPPED = "[::ffff:10.66.0.1]"
ALLOWED = "198.18.66.2"
"""The attacker's own server: the closed rules allow this address too."""
LOOPBACK = "127.0.0.1"
ON_THE_NODE = (
    PRIVATE, ALLOWED, "172.31.66.1", "192.168.66.1", "100.64.66.1", "169.254.169.254", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "198.18.66.1", "203.0.113.66", "240.0.0.66",
)  # fmt: skip
"""Addresses that the test puts on the node's loopback interface."""
IN_THE_POD = ("fd66::1", "64:ff9b::a42:1", "2002:a42:1::1", "fec0::66", "2001:db8::66")
"""Addresses that the test puts on the Pod's own loopback interface: the demo's cluster routes no IPv6."""


@dataclass(frozen=True)
class Evasion:
    """One try."""

    name: str
    way: str
    """A function of the page."""
    host: str
    """As the page writes it."""
    reaches: str
    """Where it would arrive."""
    proven: bool = True
    """Whether it does arrive where rules allow everything."""
    why_not: str = ""
    """What else stands in its way."""

    def step(self, run: str) -> dict[str, Any]:
        """Write it down for the page."""
        return {"name": self.name, "way": self.way, "host": self.host, "port": port_of(self, run)}


def _fetch(name: str, host: str, reaches: str = PRIVATE) -> Evasion:
    return Evasion(f"address {name}", "fetch", host, reaches)


ADDRESSES = (
    _fetch("dotted", PRIVATE),
    _fetch("decimal", "172097537"),
    _fetch("hex", "0x0a420001"),
    _fetch("hex in parts", "0xa.0x42.0.0x1"),
    _fetch("octal", "012.0102.0.01"),
    _fetch("three parts", "10.66.1"),
    _fetch("two parts", "10.4325377"),
    _fetch("full width", "１０.６６.０.１"),
    _fetch("percent", "%31%30.66.0.1"),
    _fetch("ideographic dots", "10。66。0。1"),
    _fetch("dot at the end", "10.66.0.1."),
    _fetch("mapped", MAPPED),
    _fetch("mapped in hex", "[0:0:0:0:0:ffff:a42:1]"),
    _fetch("172.16", "172.31.66.1", "172.31.66.1"),
    _fetch("192.168", "192.168.66.1", "192.168.66.1"),
    _fetch("carrier", "100.64.66.1", "100.64.66.1"),
    _fetch("metadata", "169.254.169.254", "169.254.169.254"),
    _fetch("metadata in decimal", "2852039166", "169.254.169.254"),
    _fetch("metadata mapped", "[::ffff:a9fe:a9fe]", "169.254.169.254"),
    _fetch("metadata of Alibaba", "100.100.100.200", "100.100.100.200"),
    _fetch("metadata of Azure", "168.63.129.16", "168.63.129.16"),
    _fetch("metadata of Oracle", "192.0.0.192", "192.0.0.192"),
    _fetch("benchmarking", "198.18.66.1", "198.18.66.1"),
    _fetch("documentation", "203.0.113.66", "203.0.113.66"),
    _fetch("reserved", "240.0.0.66", "240.0.0.66"),
    _fetch("loopback", LOOPBACK, LOOPBACK),
    _fetch("loopback in hex", "0x7f.1", LOOPBACK),
    _fetch("another loopback", "127.66.6.6", LOOPBACK),
    _fetch("localhost", "localhost", LOOPBACK),
    _fetch("loopback 6", "[::1]", "::1"),
    _fetch("loopback mapped", "[::ffff:127.0.0.1]", LOOPBACK),
    _fetch("zero", "0.0.0.0", LOOPBACK),
    _fetch("unique local", "[fd66::1]", "fd66::1"),
    _fetch("NAT64", "[64:ff9b::10.66.0.1]", "64:ff9b::a42:1"),
    _fetch("6to4", "[2002:a42:1::1]", "2002:a42:1::1"),
    _fetch("site-local", "[fec0::66]", "fec0::66"),
    _fetch("documentation 6", "[2001:db8::66]", "2001:db8::66"),
    _fetch("name", "inside.egress-demo"),
    _fetch("name in full", "inside.egress-demo.svc.cluster.local."),
    _fetch("name with a good address too", "both.egress-demo"),
    Evasion("name that changes", "rebinding", "rebinding.egress-demo", PRIVATE),
)

_POLICY = "pages get no UDP of their own (WebRTC policy)"
_NO_PREDICTION = "nothing is fetched ahead (policy)"

PLAIN_WAYS = (
    "redirect301", "redirect302", "redirect303", "redirect307", "redirect308", "redirectChain", "redirectPost",
    "redirectImage", "redirectFrame", "redirectScript", "redirectWorker", "xhr", "webSocket", "eventSource",
    "image", "pictureSource", "svgImage", "cssImage", "font", "style", "styleImport", "script", "moduleImport",
    "modulePreload", "preload", "video", "audio", "poster", "frame", "frameNested", "frameRefresh",
    "frameLocation", "object", "embed", "form", "beacon", "keepalive", "worker", "workerImport",
    "sharedWorker", "violationReport",
)  # fmt: skip
WAYS = (
    *(Evasion(f"way {way}", way, PRIVATE, PRIVATE) for way in PLAIN_WAYS),
    Evasion("way prefetch", "prefetch", PRIVATE, PRIVATE),
    Evasion("way preconnect", "preconnect", PRIVATE, PRIVATE, proven=False, why_not=_NO_PREDICTION),
    Evasion("way popup", "popup", PRIVATE, PRIVATE, proven=False, why_not="pop-ups are closed"),
    Evasion("way ping", "ping", PRIVATE, PRIVATE, proven=False, why_not="pings are off"),
    Evasion("way stun", "stun", PRIVATE, PRIVATE, proven=False, why_not=_POLICY),
    Evasion("way turn over UDP", "turnUdp", PRIVATE, PRIVATE, proven=False, why_not=_POLICY),
    Evasion("way turn over TCP", "turnTcp", PRIVATE, PRIVATE),
    Evasion("way candidate over UDP", "candidateUdp", PRIVATE, PRIVATE, proven=False, why_not=_POLICY),
    Evasion("way candidate over TCP", "candidateTcp", PRIVATE, PRIVATE),
)  # fmt: skip

EVASIONS = ADDRESSES + WAYS
CONTROL = Evasion("the attacker's own server", "fetch", ALLOWED, ALLOWED)
"""Allowed in both runs: the way there is open."""
STEPS = (*EVASIONS, CONTROL)


@dataclass(frozen=True)
class Start:
    """A page that may not be opened in the first place."""

    name: str
    url: str
    """With {port} where its listener is."""
    says: str
    """A part of the gateway's sentence."""
    malformed: bool = False
    """No URL by the contract: the gateway's 400, and refused by the API server itself."""


STARTS = (
    Start("dotted", "http://10.66.0.1:{port}/", "RFC 1918"),
    Start("decimal", "http://172097537:{port}/", "RFC 1918"),
    Start("octal", "http://012.0102.0.01:{port}/", "RFC 1918"),
    Start("hex", "http://0xa420001:{port}/", "RFC 1918"),
    Start("full width", "http://１０.６６.０.１:{port}/", "RFC 1918"),
    Start("mapped", "http://[::ffff:10.66.0.1]:{port}/", "RFC 1918"),
    Start("metadata", "HTTP://169.254.169.254:{port}/latest/meta-data/", "link-local"),
    Start("loopback", "http://0x7f.1:{port}/", "loopback"),
    Start("name", "http://inside.egress-demo:{port}/", "RFC 1918"),
    Start("API server", "https://kubernetes.default/", "RFC 1918"),
    Start("user info", "http://pages.egress-demo@10.66.0.1:{port}/", "without user info", malformed=True),
    Start("file", "file:///etc/passwd", "must be an http or https URL", malformed=True),
    Start("browser's own", "chrome://crash", "must be an http or https URL", malformed=True),
    Start("port", "http://pages.egress-demo:22/", "port 22"),
)
LED_ASTRAY = Start("redirect", "http://walls.egress-demo/redirect?to=http://10.66.0.1:{port}/", "RFC 1918")
"""The gateway can't know: it opens nothing."""
FIRST_START_PORT = 21400


def start_port(start: Start) -> int:
    """Give the port at which a start would arrive."""
    return FIRST_START_PORT + (*STARTS, LED_ASTRAY).index(start)


LAST_PORT = FIRST_START_PORT + len(STARTS)


def port_of(evasion: Evasion, run: str) -> int:
    """Give the port at which an evasion would arrive."""
    return FIRST_PORT[run] + STEPS.index(evasion)


def ports(run: str) -> list[int]:
    """Give all ports of a run."""
    return [port_of(evasion, run) for evasion in STEPS]
