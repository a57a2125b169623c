"""Where things are."""

from pathlib import Path

from egress_cluster.settings import Settings


def test_the_cache_is_in_the_home_folder_unless_told_otherwise() -> None:
    assert Settings.from_environment({"HOME": "/home/me"}).cache == Path("/home/me/.cache/egress-operator")
    assert Settings.from_environment({"HOME": "/home/me", "EGRESS_CACHE": "/else"}).bin == Path("/else/bin")


def test_a_second_cluster_never_overwrites_the_firsts_kubeconfig() -> None:
    cache = Path("/c")
    assert Settings(cache=cache).kubeconfig == Path("/c/kubeconfig")
    assert Settings(cache=cache, name="other").kubeconfig == Path("/c/kubeconfig-other")
