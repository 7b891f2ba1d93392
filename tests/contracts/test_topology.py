"""Topology: exchanges, bindings and the limits of every queue."""

import pytest

from contracts import address, topology
from contracts.api import OPERATIONS
from contracts.records.results import Result
from contracts.topology import Queue
from tests.examples import EXAMPLES

PROVIDER = topology.of_provider("k8s")
COMMON = topology.common()
GATEWAY = topology.of_gateway("g1", 3)
PARTITIONS = [queue for queue in PROVIDER.queues if ".commands." in queue.name]
ALL = [*COMMON.queues, *PROVIDER.queues, *GATEWAY.queues]


def queue(name: str) -> Queue:
    """Return the queue with this name."""
    return next(queue for queue in ALL if queue.name == name)


def matches(pattern: str, key: str) -> bool:
    """Tell whether a topic binding matches a key; `#` is supported at the end only."""
    return pattern == "#" or key == pattern or key.startswith(pattern.removesuffix("#"))


def test_a_provider_has_a_partition_for_every_slot():
    assert [queue.name for queue in PARTITIONS] == [f"machinist.k8s.commands.{n}" for n in range(8)]


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda queue: queue.name)
def test_a_partition_keeps_order_and_loses_nothing(partition):
    assert partition.arguments == {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-overflow": "reject-publish",
        "x-max-length": 100_000,
        "x-message-ttl": 600_000,
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "machinist.ended",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_the_queries_queue_has_the_ttl_of_partitions_and_rejects_publishes_when_full():
    arguments = queue("machinist.k8s.queries").arguments

    assert arguments["x-overflow"] == "reject-publish"
    assert arguments["x-max-length"]
    assert arguments["x-message-ttl"] == topology.PARTITION_TTL_MS == 600_000


def test_the_stream_is_bounded_by_age_and_bytes():
    """RabbitMQ blocks every publisher when the disk is full."""
    arguments = queue("machinist.audit").arguments

    assert arguments["x-queue-type"] == "stream"
    assert arguments["x-max-age"] == "30D"
    assert arguments["x-max-length-bytes"] == 10 * 1024**3


def test_the_recent_queue_keeps_100_final_outcomes_however_often_they_are_read():
    assert queue("machinist.recent").arguments == {
        "x-queue-type": "quorum",
        "x-overflow": "drop-head",
        "x-max-length": 100,
        "x-max-length-bytes": 64 * 1024**2,
        "x-delivery-limit": 1_000_000,
    }
    keys = {b.key for b in COMMON.bindings if b.destination == "machinist.recent"}
    assert keys == {f"{result}.#" for result in Result if result is not Result.STARTED}


def test_only_the_replies_queues_are_classic_queues():
    """RabbitMQ 4 rejects a message that is routed to a classic queue whose node is down."""
    classic = {each.name for each in ALL if each.arguments["x-queue-type"] == "classic"}

    assert classic == {"machinist.replies.g1.3"}


def test_the_queue_of_dead_lettered_commands_has_a_single_active_consumer():
    assert queue("machinist.ended").arguments == {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-max-length-bytes": 1024**3,
        "x-delivery-limit": 1_000_000,
    }


def test_outcomes_are_not_routed_to_the_queue_of_dead_lettered_commands():
    """One more message per command would fill the queue, which must not lose any."""
    sources = {b.source for b in COMMON.bindings if b.destination == "machinist.ended"}

    assert "machinist.outcomes" not in sources


def test_operators_can_read_a_dead_letter_any_number_of_times():
    """From RabbitMQ 4 on, the default delivery limit of a quorum queue is 20."""
    arguments = queue("machinist.dead").arguments

    assert arguments["x-queue-type"] == "quorum"
    limit = arguments["x-delivery-limit"]
    assert isinstance(limit, int)
    assert limit >= 1_000_000


def test_the_queue_of_dead_letters_is_bounded_and_drops_its_oldest_message():
    arguments = queue("machinist.dead").arguments

    assert arguments["x-max-length-bytes"] == 1024**3
    assert arguments["x-overflow"] == "drop-head"


def test_the_replies_queue_of_a_connection_expires():
    (replies,) = GATEWAY.queues

    assert replies.name == "machinist.replies.g1.3"
    assert replies.arguments == {"x-queue-type": "classic", "x-expires": 60_000}
    assert {binding.key for binding in GATEWAY.bindings} == {replies.name, topology.ATTENDANCE}
    assert {binding.source for binding in GATEWAY.bindings} == {topology.REPLIES}


def test_every_queue_has_an_explicit_type():
    assert all(queue.arguments.get("x-queue-type") for queue in ALL)


def test_only_partitions_are_bound_to_the_commands_exchange():
    """A return then proves that no partition exists, and a nack that the partition refused."""
    bound = {
        binding.destination
        for binding in (*COMMON.bindings, *PROVIDER.bindings, *GATEWAY.bindings)
        if binding.source == "machinist.commands"
    }

    assert bound == {partition.name for partition in PARTITIONS}


@pytest.mark.parametrize("name", ["machinist.audit", "machinist.recent"])
def test_the_bindings_of_earlier_versions_are_removed(name):
    former = {b.key for b in PROVIDER.former if b.destination == name}

    assert former == {f"k8s.{slot}.#" for slot in range(8)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_routed_to_exactly_one_queue_of_workers(name):
    operation = EXAMPLES[name]
    row = operation.row
    where = address.address(operation)
    key = address.routing_key("k8s", row, where)
    exchange = topology.QUERIES if row.safe else topology.COMMANDS
    reached = {
        binding.destination
        for binding in PROVIDER.bindings
        if binding.source == exchange and matches(binding.key, key)
    }

    expected = "queries" if row.safe else f"commands.{address.slot(where)}"
    assert reached == {f"machinist.k8s.{expected}"}


def test_a_provider_gets_no_messages_of_a_provider_whose_name_has_the_same_prefix():
    keys = {binding.key for binding in topology.of_provider("k8s").bindings}

    assert not [key for key in keys if matches(key, "k8s-eu1.3.controllers.default.hello")]
    assert not [key for key in keys if matches(key, "k8s-eu1.machines.default")]


def test_source_and_destination_of_every_binding_exist():
    names = {exchange.name for exchange in COMMON.exchanges} | {queue.name for queue in ALL}

    for binding in (*COMMON.bindings, *PROVIDER.bindings, *GATEWAY.bindings):
        assert {binding.source, binding.destination} <= names


def test_the_dead_letter_exchange_of_every_partition_exists():
    exchanges = {exchange.name for exchange in COMMON.exchanges}

    assert all(
        partition.arguments["x-dead-letter-exchange"] in exchanges for partition in PARTITIONS
    )


def test_an_event_reaches_the_commands_exchange_only_through_the_gate():
    onward = {(b.source, b.destination) for b in COMMON.bindings if b.to_exchange}
    [gate] = [exchange for exchange in COMMON.exchanges if exchange.name == "machinist.gate"]

    assert onward == {("machinist.events", "machinist.gate"), ("machinist.gate", "machinist.ended")}
    assert gate.arguments == {"alternate-exchange": "machinist.commands"}
    assert not [binding for binding in COMMON.former if binding in COMMON.bindings]
