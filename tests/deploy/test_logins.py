"""Who is who on the broker that `deploy/up` uses."""

import pytest

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
