"""A cluster of three nodes, shared by the tests of a run."""

from collections.abc import Iterator

import pytest

from deploy.rabbitmq.cluster import RabbitCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, khepri: bool) -> Iterator[RabbitCluster]:
    """Three nodes; tests that hurt one of them leave all three running."""
    with RabbitCluster(tmp_path_factory.mktemp("cluster"), khepri=khepri) as cluster:
        yield cluster
