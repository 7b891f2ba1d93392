"""The doctor names dead nodes, lost majorities and missing replicas of a real cluster."""

import asyncio

import pytest
from yarl import URL

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from deploy.rabbitmq.cluster import RabbitCluster
from gateway.console.doctor import management, nodes, replicas
from gateway.console.doctor import topology as parts
from gateway.console.doctor.finding import Finding
from tests.stack import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

HOST = "doctor"


@pytest.fixture
def cluster_with_topology(cluster: RabbitCluster) -> RabbitCluster:
    """The cluster with a virtual host in which machinist has declared its topology."""
    cluster.ctl(0, "add_vhost", HOST)
    cluster.ctl(0, "set_permissions", "-p", HOST, cluster.user, ".*", ".*", ".*")

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))

    url = f"{cluster.amqp_urls[0].rstrip('/')}/{HOST}"
    asyncio.run(ReconnectingConnection(url, "test").run(session))
    return cluster


def findings(cluster: RabbitCluster) -> list[Finding]:
    """Return the findings about the cluster, as its first node shows it."""
    url = URL(cluster.management_urls[0]).with_user(cluster.user).with_password(cluster.password)
    state = asyncio.run(management.read(url, HOST))
    found = [*nodes.findings(state), *parts.findings(state, ["k8s"]), *replicas.findings(state)]
    # Small disks are for tests of one node.
    return [each for each in found if each.check != "disk-small"]


def expect(cluster: RabbitCluster, *checks: str) -> list[Finding]:
    """Wait until the doctor finds exactly these faults."""
    found: list[Finding] = []

    def is_found() -> bool:
        found[:] = findings(cluster)
        return sorted(each.check for each in found) == sorted(checks)

    try:
        eventually(is_found, within=90)
    except AssertionError:
        raise AssertionError("\n".join(map(str, found)) or "no findings") from None
    return found


def test_faults_of_nodes_and_replicas_are_found_and_mended(
    cluster_with_topology: RabbitCluster,
) -> None:
    cluster = cluster_with_topology
    expect(cluster)

    cluster.kill(2)
    [down] = expect(cluster, "node-down")
    assert cluster.nodes[2].name in down.what

    cluster.kill(1)
    found = expect(cluster, "node-down", "node-down", "queue-without-majority")
    [stopped] = [each for each in found if each.check == "queue-without-majority"]
    assert all(node.name in stopped.remedy for node in cluster.nodes[1:])
    cluster.start(1, 2)
    expect(cluster)

    for name in ("machinist.k8s.commands.3", "machinist.recent"):
        words = ["delete_member", "--vhost", HOST, name, cluster.nodes[2].name]
        cluster.ctl(0, *words, tool="rabbitmq-queues")
    [few] = expect(cluster, "queue-replicas")
    assert few.remedy == f"rabbitmq-queues grow {cluster.nodes[2].name} all"
    cluster.ctl(0, *few.remedy.split()[1:], tool="rabbitmq-queues")
    expect(cluster)
