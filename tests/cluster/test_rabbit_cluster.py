"""The cluster fixture: nodes keep their definitions, and the others work without a lost node."""

import httpx
import msgspec
import pytest

from contracts import topology
from deploy.rabbitmq import definitions
from deploy.rabbitmq.cluster import RabbitCluster
from deploy.rabbitmq.ready import speaks_amqp
from tests.stack import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ALL = {0, 1, 2}


@pytest.fixture(scope="module")
def host(cluster: RabbitCluster) -> str:
    """A virtual host with the shipped definitions."""
    with management(cluster, 0) as api:
        api.put("/vhosts/kept").raise_for_status()
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        api.put(f"/permissions/kept/{cluster.user}", json=rights).raise_for_status()
        wanted = definitions.definitions(definitions.KEPT_FOR, "kept")
        api.post("/definitions", json=wanted).raise_for_status()
    return "kept"


def management(cluster: RabbitCluster, index: int) -> httpx.Client:
    url = f"{cluster.management_urls[index]}/api"
    login = cluster.user, cluster.password
    return httpx.Client(base_url=url, auth=login, timeout=30, trust_env=False)


def queues(cluster: RabbitCluster, index: int, host: str) -> dict[str, dict[str, object]]:
    with management(cluster, index) as api:
        found = api.get(f"/queues/{host}").raise_for_status().json()
    return {queue["name"]: queue for queue in found}


def wanted_queues() -> set[str]:
    parts = [topology.common(), *map(topology.of_provider, definitions.KEPT_FOR)]
    return {queue.name for part in parts for queue in part.queues}


def test_every_node_accepts_clients_and_sees_the_others(cluster: RabbitCluster) -> None:
    assert [speaks_amqp(node.port) for node in cluster.nodes] == [True, True, True]
    assert [cluster.running(index) for index in range(3)] == [ALL, ALL, ALL]


def test_the_metadata_store_is_the_configured_one(cluster: RabbitCluster, khepri: bool) -> None:
    flags = cluster.ctl(0, "--silent", "list_feature_flags", "name", "state", "--formatter", "json")

    states = {flag["name"]: flag["state"] for flag in msgspec.json.decode(flags)}

    assert (states.get("khepri_db") == "enabled") is khepri


@pytest.mark.parametrize("index", range(3))
def test_the_other_nodes_work_while_a_node_is_dead(
    cluster: RabbitCluster, host: str, index: int
) -> None:
    other = (index + 1) % 3

    cluster.kill(index)

    eventually(lambda: cluster.running(other) == ALL - {index}, 30, "the node's death is noticed")
    assert not speaks_amqp(cluster.nodes[index].port)
    assert set(queues(cluster, other, host)) == wanted_queues()
    cluster.start(index)
    eventually(lambda: cluster.running(other) == ALL, 30, "the node is back")
    assert set(queues(cluster, index, host)) == wanted_queues()


def test_a_restarted_node_keeps_its_definitions(cluster: RabbitCluster, host: str) -> None:
    cluster.stop(2)
    assert cluster.running(0) == {0, 1}

    cluster.start(2)

    eventually(lambda: cluster.running(0) == ALL, 30, "the node is back")
    assert set(queues(cluster, 2, host)) == wanted_queues()


def test_a_frozen_node_leaves_the_cluster_and_rejoins_when_thawed(
    cluster: RabbitCluster, host: str
) -> None:
    cluster.freeze(1)
    try:
        assert not speaks_amqp(cluster.nodes[1].port)
        eventually(lambda: cluster.running(0) == {0, 2}, 60, "the frozen node has left the cluster")
    finally:
        cluster.thaw(1)

    eventually(
        lambda: [cluster.running(index) for index in range(3)] == [ALL, ALL, ALL],
        90,
        "the node is back in the cluster",
    )
    assert set(queues(cluster, 1, host)) == wanted_queues()


def test_a_cluster_starts_again_after_all_nodes_were_stopped(
    cluster: RabbitCluster, host: str
) -> None:
    for index in (0, 1, 2):
        cluster.stop(index)

    cluster.start()

    eventually(lambda: cluster.running(0) == ALL, 60, "all nodes are back")
    assert set(queues(cluster, 0, host)) == wanted_queues()
