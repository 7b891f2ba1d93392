"""Access to the broker and to its management UI by user."""

from collections.abc import Iterator

import pytest

from deploy.rabbitmq.node import RabbitNode
from tests.broker.attempts import connection_error
from tests.broker.users_vhost import UsersVhost, users_vhost

WITHOUT_UI = ["gateway", "worker-k8s", "producer", "auditor"]


@pytest.fixture(scope="module")
def broker(rabbit: RabbitNode) -> Iterator[UsersVhost]:
    """A virtual host with the imported definitions and no processes."""
    with users_vhost(rabbit, ["k8s"]) as broker:
        broker.import_over_http()
        yield broker


def test_an_operator_reads_two_queues_and_may_change_nothing(broker: UsersVhost) -> None:
    look = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    event = {
        "routing_key": "k8s.3.controllers.default.hello",
        "payload": "{}",
        "payload_encoding": "string",
        "properties": {},
    }
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    here, name = broker.vhost, broker.name("operator")
    with broker.management("operator") as management:
        looks = {
            queue: management.post(f"/queues/{here}/machinist.{queue}/get", json=look).is_success
            for queue in ["recent", "dead", "ended", "k8s.queries", "k8s.commands.0"]
        }
        overview = management.get("/connections")
        refused = [
            management.post(f"/exchanges/{here}/machinist.events/publish", json=event),
            management.delete(f"/queues/{here}/machinist.recent"),
            management.put(f"/permissions/{here}/{name}", json=everything),
        ]

    assert [queue for queue, is_open in looks.items() if is_open] == ["recent", "dead"]
    assert overview.is_success
    assert all(answer.is_client_error for answer in refused), refused


@pytest.mark.parametrize("role", WITHOUT_UI)
def test_the_management_ui_refuses_all_users_but_operators(broker: UsersVhost, role: str) -> None:
    with broker.management(role) as management:
        assert management.get("/whoami").status_code == 401


def test_a_user_is_refused_in_another_virtual_host(broker: UsersVhost, amqp_url: str) -> None:
    elsewhere = broker.url("gateway").removesuffix(broker.vhost) + amqp_url.rpartition("/")[2]

    assert "in which the user" in connection_error(elsewhere)


def test_a_user_without_a_password_cannot_log_in(rabbit: RabbitNode) -> None:
    with users_vhost(rabbit, ["k8s"]) as broker:
        for user in broker.users["users"]:
            user["password_hash"] = ""
        broker.import_over_http()

        for role in broker.roles:
            blank = broker.url(role).replace(f":{broker.password(role)}@", ":@")
            assert "Login was refused" in connection_error(blank)
            assert "Login was refused" in connection_error(broker.url(role))
