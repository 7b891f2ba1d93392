"""The broker users of the processes of `deploy/up`."""

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


def test_exchanges_are_imported_before_their_topic_permissions(
    rabbit: RabbitNode, management: httpx.Client
) -> None:
    """RabbitMQ 4.0 with Khepri cannot create an exchange that has topic permissions."""

    def listed(what: str, field: str) -> set[str]:
        found = management.get(what).raise_for_status().json()
        return {each[field] for each in found if each["vhost"] == "/"}

    imported = {exchange.name for exchange in topology.common().exchanges}
    # No other test uses the virtual host "/".
    assert not imported & listed("exchanges", "name")
    broker = Broker(rabbit.amqp_url, "a test", rabbit.management_url, rabbit.user, rabbit.password)

    urls = logins(broker, ["k8s"])
    # A second import must succeed too.
    logins(broker, ["k8s"])

    assert imported < listed("exchanges", "name")
    assert {topology.EVENTS, topology.OUTCOMES} <= listed("topic-permissions", "exchange")
    assert f"@127.0.0.1:{rabbit.port}" in urls["gateway"]
