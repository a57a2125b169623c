"""Small readings of other programs' words: apt's mirrors, kubeadm's images, CoreDNS' configuration."""

from egress_cluster.debian import parse_mirrors
from egress_cluster.dns import without_forward
from egress_cluster.images import parse_image_list

COREFILE = """\
.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
}
"""


def test_mirrors_are_debians_own_and_the_first_of_each() -> None:
    listing = (
        "Vendor|Tools|https://tools.example/\n"
        "Debian|Debian|http://mirror.example/debian/\n"
        "Debian|Debian|http://second.example/debian/\n"
        "Debian|Debian-Security|http://mirror.example/security/\n"
        "\n"
    )
    assert parse_mirrors(listing) == {
        "Debian": "http://mirror.example/debian",
        "Debian-Security": "http://mirror.example/security",
    }


def test_images_are_sorted_by_the_stage_that_makes_them() -> None:
    listing = "r.example/kube-proxy:v1\nr.example/coredns/coredns:v2\nr.example/pause:3\nr.example/etcd:4\n"
    assert parse_image_list(listing) == {
        "kubernetes": ["r.example/kube-proxy:v1", "r.example/etcd:4"],
        "coredns": ["r.example/coredns/coredns:v2"],
        "pause": ["r.example/pause:3"],
    }


def test_without_a_resolver_outside_names_are_refused_and_cluster_names_answered() -> None:
    fitted = without_forward(COREFILE)
    assert fitted.splitlines() == [
        "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {",
        "    errors",
        "    ready",
        "    kubernetes cluster.local in-addr.arpa ip6.arpa {",
        "       pods insecure",
        "       ttl 30",
        "    }",
        "    cache 30",
        "}",
        ".:53 {",
        "    errors",
        "    template ANY ANY {",
        "        rcode NXDOMAIN",
        "    }",
        "}",
    ]
    assert without_forward(fitted) == fitted
