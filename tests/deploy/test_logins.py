"""Who is who on the broker that `deploy/up` uses."""

from pathlib import Path

import httpx
import pytest

from contracts import topology
from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.logins import logins
from deploy.rabbitmq.node import RabbitNode


def test_on_somebody_elses_broker_all_are_the_user_that_its_url_names() -> None:
    urls = logins(Broker("amqp://me:mine@rabbit/shop", "PLT_AMQP_URL"), ["k8s"])

    assert set(urls.values()) == {"amqp://me:mine@rabbit/shop"}
    assert {"gateway", "worker-k8s"} < set(urls)


def test_a_broker_that_takes_no_definitions_is_a_failure_that_says_so(rabbit: RabbitNode) -> None:
    broker = Broker(rabbit.amqp_url, "a test", rabbit.management_url, rabbit.user, "wrong")

    with pytest.raises(Failed, match="takes no definitions: 401"):
        logins(broker, ["k8s"])


def listed(node: RabbitNode, what: str, field: str) -> set[str]:
    """A field of all that the management API lists."""
    answer = httpx.get(f"{node.management_url}/api/{what}", auth=(node.user, node.password))
    return {each[field] for each in answer.raise_for_status().json()}


@pytest.mark.broker
def test_a_broker_that_we_started_has_the_exchanges_before_the_rights_to_them(
    tmp_path: Path, khepri: bool
) -> None:
    """On RabbitMQ 4.0 with Khepri topic permissions keep their exchange from being created."""
    with RabbitNode(tmp_path / "node", khepri=khepri) as node:
        broker = Broker(node.amqp_url, "a test", node.management_url, node.user, node.password)

        urls = logins(broker, ["k8s"])
        # As deploy/up does at its next start on the same broker.
        logins(broker, ["k8s"])

        exchanges = listed(node, "exchanges/%2F", "name")
        limited = listed(node, "topic-permissions", "exchange")
    assert {exchange.name for exchange in topology.common().exchanges} < exchanges
    assert {topology.EVENTS, topology.OUTCOMES} <= limited
    assert f"@127.0.0.1:{node.port}" in urls["gateway"]
