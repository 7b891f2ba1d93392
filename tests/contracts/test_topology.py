"""Topology: what has to exist on the broker, and the bounds of every queue."""

import pytest

from contracts import address, topology
from contracts.api import OPERATIONS
from contracts.results import Result
from contracts.topology import Queue
from tests.examples import EXAMPLES

PROVIDER = topology.of_provider("k8s")
COMMON = topology.common()
GATEWAY = topology.of_gateway("g1", 3)
PARTITIONS = [queue for queue in PROVIDER.queues if ".commands." in queue.name]
ALL = [*COMMON.queues, *PROVIDER.queues, *GATEWAY.queues]


def queue(name: str) -> Queue:
    """The queue of this name."""
    return next(queue for queue in ALL if queue.name == name)


def matches(pattern: str, key: str) -> bool:
    """Whether a topic binding takes a key; `#` stands for any number of words at the end."""
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


def test_queries_wait_no_longer_than_commands_and_are_refused_when_too_many():
    arguments = queue("machinist.k8s.queries").arguments

    assert arguments["x-overflow"] == "reject-publish"
    assert arguments["x-max-length"]
    assert arguments["x-message-ttl"] == topology.PARTITION_TTL_MS == 600_000


def test_the_stream_is_bounded_by_age_and_bytes():
    """Or a full disk stops every publisher."""
    arguments = queue("machinist.audit").arguments

    assert arguments["x-queue-type"] == "stream"
    assert arguments["x-max-age"] == "30D"
    assert arguments["x-max-length-bytes"] == 10 * 1024**3


def test_the_recent_queue_is_a_window_of_100_final_outcomes_that_looks_do_not_empty():
    assert queue("machinist.recent").arguments == {
        "x-queue-type": "quorum",
        "x-overflow": "drop-head",
        "x-max-length": 100,
        "x-max-length-bytes": 64 * 1024**2,
        "x-delivery-limit": 1_000_000,
    }
    keys = {b.key for b in COMMON.bindings if b.destination == "machinist.recent"}
    assert keys == {f"{result}.#" for result in Result if result is not Result.STARTED}


def test_only_the_replies_queues_live_on_one_node():
    """RabbitMQ 4 refuses whatever is routed to a classic queue whose node is down."""
    classic = {each.name for each in ALL if each.arguments["x-queue-type"] == "classic"}

    assert classic == {"machinist.replies.g1.3"}


def test_what_the_broker_ended_has_one_reader_at_a_time():
    assert queue("machinist.ended").arguments == {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-max-length-bytes": 1024**3,
        "x-delivery-limit": 1_000_000,
    }


def test_what_was_started_is_not_among_what_ended():
    """It would cost every command, and fill the queue that must lose none."""
    sources = {b.source for b in COMMON.bindings if b.destination == "machinist.ended"}

    assert "machinist.outcomes" not in sources


def test_operators_may_look_at_the_dead_as_often_as_they_like():
    """From RabbitMQ 4 on a quorum queue drops a message after 20 deliveries unless told other."""
    arguments = queue("machinist.dead").arguments

    assert arguments["x-queue-type"] == "quorum"
    limit = arguments["x-delivery-limit"]
    assert isinstance(limit, int)
    assert limit >= 1_000_000


def test_the_dead_never_fill_the_disk_and_never_turn_a_letter_away():
    arguments = queue("machinist.dead").arguments

    assert arguments["x-max-length-bytes"] == 1024**3
    assert arguments["x-overflow"] == "drop-head"


def test_the_replies_queue_of_a_connection_goes_away_by_itself():
    (replies,) = GATEWAY.queues

    assert replies.name == "machinist.replies.g1.3"
    assert replies.arguments == {"x-queue-type": "classic", "x-expires": 60_000}
    assert {binding.key for binding in GATEWAY.bindings} == {replies.name, topology.ATTENDANCE}
    assert {binding.source for binding in GATEWAY.bindings} == {topology.REPLIES}


def test_every_queue_says_its_type():
    assert all(queue.arguments.get("x-queue-type") for queue in ALL)


def test_nothing_but_partitions_is_bound_to_the_commands():
    """Only then does a return prove that no partition exists, and a nack that one refused."""
    bound = {
        binding.destination
        for binding in (*COMMON.bindings, *PROVIDER.bindings, *GATEWAY.bindings)
        if binding.source == "machinist.commands"
    }

    assert bound == {partition.name for partition in PARTITIONS}


@pytest.mark.parametrize("name", ["machinist.audit", "machinist.recent"])
def test_the_copies_that_earlier_versions_bound_are_removed(name):
    former = {b.key for b in PROVIDER.former if b.destination == name}

    assert former == {f"k8s.{slot}.#" for slot in range(8)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_reaches_exactly_one_queue_that_workers_read(name):
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


def test_providers_whose_names_begin_alike_do_not_get_each_others_messages():
    keys = {binding.key for binding in topology.of_provider("k8s").bindings}

    assert not [key for key in keys if matches(key, "k8s-eu1.3.controllers.default.hello")]
    assert not [key for key in keys if matches(key, "k8s-eu1.machines.default")]


def test_everything_that_is_bound_exists():
    names = {exchange.name for exchange in COMMON.exchanges} | {queue.name for queue in ALL}

    for binding in (*COMMON.bindings, *PROVIDER.bindings, *GATEWAY.bindings):
        assert {binding.source, binding.destination} <= names


def test_dead_letters_go_to_an_exchange_that_exists():
    exchanges = {exchange.name for exchange in COMMON.exchanges}

    assert all(
        partition.arguments["x-dead-letter-exchange"] in exchanges for partition in PARTITIONS
    )


def test_an_event_reaches_the_commands_by_the_gate_alone():
    onward = {(b.source, b.destination) for b in COMMON.bindings if b.to_exchange}
    [gate] = [exchange for exchange in COMMON.exchanges if exchange.name == "machinist.gate"]

    assert onward == {("machinist.events", "machinist.gate"), ("machinist.gate", "machinist.ended")}
    assert gate.arguments == {"alternate-exchange": "machinist.commands"}
    assert not [binding for binding in COMMON.former if binding in COMMON.bindings]
