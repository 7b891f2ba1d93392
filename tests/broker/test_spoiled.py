"""One bad message, or one deleted queue, does not keep a provider's workers from their work."""

from collections.abc import Iterator

import httpx
import pytest

from tests.producer import scale_event
from tests.stack import Stack, eventually


@pytest.fixture
def management(stack: Stack) -> Iterator[httpx.Client]:
    """The management API of the broker."""
    with httpx.Client(
        base_url=f"{stack.node.management_url}/api",
        auth=(stack.node.user, stack.node.password),
        timeout=30,
        trust_env=False,
    ) as client:
        yield client


def test_an_event_with_a_timestamp_in_microseconds_is_run(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, [worker] = stack.serving()
    event = scale_event("hello", 6)
    host = stack.amqp_url.rpartition("/")[2]

    answer = management.post(
        f"/exchanges/{host}/{event.exchange}/publish",
        json={
            "properties": {
                "type": event.type,
                "message_id": event.message_id,
                "user_id": event.user_id,
                "timestamp": 1_790_000_000_000_000,
            },
            "routing_key": event.key,
            "payload": event.body.decode(),
            "payload_encoding": "string",
        },
    )

    assert answer.json() == {"routed": True}
    eventually(lambda: stack.sandbox.calls.writes(), what="the event is run")
    assert gateway.scale("hello", 5).status_code == 200
    assert "no connection" not in worker.log.read_text()


def test_a_partition_whose_queue_was_deleted_is_declared_and_consumed_again(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="commands=1000")
    assert gateway.scale("hello", 4).status_code == 200
    host = stack.amqp_url.rpartition("/")[2]
    slot = scale_event("hello", 1).key.split(".")[1]

    management.delete(f"/queues/{host}/machinist.k8s.commands.{slot}").raise_for_status()

    eventually(lambda: gateway.scale("hello", 5).status_code == 200, 20, "it is consumed again")


def test_the_heartbeat_is_ours_whatever_the_url_says(
    stack: Stack, management: httpx.Client
) -> None:
    """With a shorter one the broker hands over before a worker's fence closes."""
    stack.gateway(PLT_AMQP_URL=f"{stack.amqp_url}?heartbeat=2")
    host = stack.amqp_url.rpartition("/")[2]

    def heartbeats() -> set[int]:
        connections = management.get(f"/vhosts/{host}/connections").json()
        return {connection["timeout"] for connection in connections if "timeout" in connection}

    eventually(heartbeats, 20, "the gateway is connected")
    assert heartbeats() == {10}
