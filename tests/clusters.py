"""Clusters of several nodes on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.cluster_utils import Cluster

BYTES_PER_CPU = 100_000_000
"""Of a node's object store."""


@contextmanager
def two_nodes(head_cpus: int, other_cpus: int = 1) -> Iterator[Cluster]:
    """A head and a node with so many CPUs; this process is connected."""
    head = {"num_cpus": head_cpus, "object_store_memory": head_cpus * BYTES_PER_CPU, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=other_cpus, object_store_memory=other_cpus * BYTES_PER_CPU)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
