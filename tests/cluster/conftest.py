"""A cluster of three nodes with the shipped configuration, one per run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.rabbitmq import cluster as rabbitmq
from deploy.rabbitmq.cluster import RabbitCluster

SHIPPED = Path(rabbitmq.__file__).parent / "three-nodes" / "rabbitmq.conf"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, khepri: bool) -> Iterator[RabbitCluster]:
    """Three nodes; a test that stops a node starts it again."""
    lines = SHIPPED.read_text().splitlines()
    # The node names in the file do not apply: the fixture chooses its own.
    settings = "\n".join(line for line in lines if not line.startswith("cluster_formation."))
    folder = tmp_path_factory.mktemp("cluster")
    with RabbitCluster(folder, khepri=khepri, settings=settings) as cluster:
        yield cluster
