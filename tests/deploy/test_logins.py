"""The broker users of the processes of `deploy/up`."""

from pathlib import Path

import httpx
import pytest

from contracts import topology
from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.logins import logins
from deploy.rabbitmq.node import RabbitNode


def test_on_a_named_broker_every_process_uses_the_user_of_its_url() -> None:
    urls = logins(Broker("amqp://me:mine@rabbit/shop", "PLT_AMQP_URL"), ["k8s"])

    assert set(urls.values()) == {"amqp://me:mine@rabbit/shop"}
    assert {"gateway", "worker-k8s"} < set(urls)


def test_a_refused_import_of_definitions_is_a_failure_with_the_status(rabbit: RabbitNode) -> None:
    broker = Broker(rabbit.amqp_url, "a test", rabbit.management_url, rabbit.user, "wrong")

    with pytest.raises(Failed, match="refuses the definitions: 401"):
        logins(broker, ["k8s"])


def listed(node: RabbitNode, what: str, field: str) -> set[str]:
    """Return a field of each object that the management API lists."""
    answer = httpx.get(f"{node.management_url}/api/{what}", auth=(node.user, node.password))
    return {each[field] for each in answer.raise_for_status().json()}


@pytest.mark.broker
def test_exchanges_are_imported_before_their_topic_permissions(
    tmp_path: Path, khepri: bool
) -> None:
    """RabbitMQ 4.0 with Khepri cannot create an exchange that has topic permissions."""
    with RabbitNode(tmp_path / "node", khepri=khepri) as node:
        broker = Broker(node.amqp_url, "a test", node.management_url, node.user, node.password)

        urls = logins(broker, ["k8s"])
        # A second import must succeed too.
        logins(broker, ["k8s"])

        exchanges = listed(node, "exchanges/%2F", "name")
        limited = listed(node, "topic-permissions", "exchange")
    assert {exchange.name for exchange in topology.common().exchanges} < exchanges
    assert {topology.EVENTS, topology.OUTCOMES} <= limited
    assert f"@127.0.0.1:{node.port}" in urls["gateway"]
