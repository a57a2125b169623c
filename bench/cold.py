"""Make the next start a cold one: the image just loaded into the node, nothing of it in the kernel's page cache.

In: an image that the engine has. Out: nodes of the kind cluster that hold it as a fresh node would.
"""

import os

from bench.errors import BenchError
from egress_cluster import engine
from egress_cluster.cluster import Cluster
from egress_cluster.settings import Settings


def load_again(image: str) -> None:
    """Take an image out of every node, load it again, and have the kernel forget what it read."""
    settings = Settings.from_environment(os.environ)
    found = engine.find(settings)
    if found is None:
        raise BenchError("no Docker engine answers: run `make deploy` first")
    cluster = Cluster(engine=found, settings=settings)
    for node in cluster.node_states():
        cluster.inside(node, f"crictl rmi {image}")
    cluster.forget(image)
    cluster.load(image)
    for node in cluster.node_states():
        cluster.inside(node, "sync; echo 3 > /proc/sys/vm/drop_caches")
