"""Exchanges, queues and bindings as data; independent of the broker.

The arguments of a queue cannot be changed, so limits are upper bounds: RabbitMQ applies the smaller
of argument and policy, so an operator can lower a limit without a new declaration.
"""

from typing import Literal

from msgspec import Struct

from contracts.address import SLOTS
from contracts.records.results import FINAL

QUERIES = "machinist.queries"
COMMANDS = "machinist.commands"
EVENTS = "machinist.events"
GATE = "machinist.gate"
REPLIES = "machinist.replies"
OUTCOMES = "machinist.outcomes"
ENDED = "machinist.ended"
DEAD = "machinist.dead"
AUDIT = "machinist.audit"
RECENT = "machinist.recent"

ATTENDANCE = "attendance"
"""The routing key of workers' announcements to every gateway, on the replies exchange; also the
type of these announcements, and of the messages with which gateways check the routes to workers.
"""

MINUTE_MS = 60_000
PARTITION_TTL_MS = 10 * MINUTE_MS
"""The longest wait of a message in a queue, and the deadline of an event without a deadline."""

PREFETCH = 6_000
"""Consumer prefetch per partition. Commands that wait for an unresponsive target count towards it;
while there are fewer of them, commands of other targets are delivered. worker/partitions/bodies.py
limits the total size of the bodies.
"""

DELIVERY_LIMIT = 20
GIB = 1024**3
MIB = 1024**2

MESSAGE_LIMIT = MIB
"""The maximal size of a body in bytes. A worker dead-letters a larger command and answers a larger
query with 413. The largest HTTP body of a gateway (PLT_MAX_BODY_BYTES) fits, with its envelope.
"""

Argument = str | int | bool | None
"""None is the void value of AMQP."""


class Exchange(Struct, frozen=True):
    """A durable exchange."""

    name: str
    type: Literal["topic", "direct", "fanout", "headers"]
    arguments: dict[str, Argument] = {}


class Queue(Struct, frozen=True):
    """A durable queue, never exclusive: its messages outlive the consumer's connection."""

    name: str
    arguments: dict[str, Argument]


class Binding(Struct, frozen=True):
    """A binding of an exchange to a queue, or to another exchange.

    The arguments are the match arguments of a headers exchange.
    """

    source: str
    destination: str
    key: str = ""
    to_exchange: bool = False
    arguments: dict[str, Argument] = {}


class Topology(Struct, frozen=True):
    """Required exchanges, queues and bindings, in the order of their declaration.

    `former` are bindings of earlier versions, to be removed.
    """

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()
    former: tuple[Binding, ...] = ()


def whole(*parts: Topology) -> Topology:
    """Return several topologies as one, in their order."""
    return Topology(
        exchanges=tuple(each for part in parts for each in part.exchanges),
        queues=tuple(each for part in parts for each in part.queues),
        bindings=tuple(each for part in parts for each in part.bindings),
        former=tuple(each for part in parts for each in part.former),
    )


def queries_queue(provider: str) -> str:
    """Return the name of the queue of a provider's queries, which all its workers consume."""
    return f"machinist.{provider}.queries"


def partition_queue(provider: str, slot: int) -> str:
    """Return the name of the queue of a slot's commands, which one worker consumes at a time."""
    return f"machinist.{provider}.commands.{slot}"


def replies_queue(gateway: str, connection: int) -> str:
    """Return the name of the replies queue of one connection of a gateway.

    With one queue for all connections, the consumer of a half-open connection would still receive
    a part of the replies.
    """
    return f"{REPLIES}.{gateway}.{connection}"


def common() -> Topology:
    """Return the topology that all providers share.

    Events pass a gate. When RabbitMQ up to 3.13 dead-letters a message, it takes a producer's
    header `x-death` for its own; if it cannot read that header, it stops dead-lettering for the
    whole node.
    """
    return Topology(
        exchanges=(
            Exchange(QUERIES, "topic"),
            Exchange(COMMANDS, "topic"),
            Exchange(EVENTS, "topic"),
            Exchange(GATE, "headers", {"alternate-exchange": COMMANDS}),
            Exchange(REPLIES, "direct"),
            Exchange(OUTCOMES, "topic"),
            Exchange(ENDED, "fanout"),
            Exchange(DEAD, "fanout"),
        ),
        queues=(_ended(), _dead(), _audit(), _recent()),
        bindings=(
            _events_with_x_death(),
            Binding(EVENTS, GATE, "#", to_exchange=True),
            Binding(ENDED, ENDED),
            Binding(DEAD, DEAD),
            Binding(OUTCOMES, AUDIT, "#"),
            *(Binding(OUTCOMES, RECENT, f"{result}.#") for result in FINAL),
        ),
        former=(
            Binding(EVENTS, COMMANDS, "#", to_exchange=True),
            Binding(OUTCOMES, RECENT, "#"),
        ),
    )


def for_requests() -> Topology:
    """Return the exchanges that a gateway needs to serve requests."""
    needed = (QUERIES, COMMANDS, REPLIES)
    return Topology(exchanges=tuple(each for each in common().exchanges if each.name in needed))


def of_provider(provider: str) -> Topology:
    """Return the queues and bindings that a provider's first worker declares.

    Only partitions may be bound to `machinist.commands`. A returned message then proves that no
    partition exists, and a negative confirm proves that the partition refused the message. On
    RabbitMQ 4, a bound classic queue whose node is down would make the broker nack a command that
    a partition has taken.
    """
    keys = [f"{provider}.{slot}.#" for slot in range(SLOTS)]
    partitions = [partition_queue(provider, slot) for slot in range(SLOTS)]
    return Topology(
        queues=(_queries(provider), *(_partition(name) for name in partitions)),
        bindings=(
            Binding(QUERIES, queries_queue(provider), f"{provider}.#"),
            *(Binding(COMMANDS, name, key) for name, key in zip(partitions, keys, strict=True)),
        ),
        former=tuple(Binding(COMMANDS, name, key) for name in (AUDIT, RECENT) for key in keys),
    )


def of_gateway(gateway: str, connection: int) -> Topology:
    """Return the replies queue of one connection of a gateway, with its bindings."""
    name = replies_queue(gateway, connection)
    return Topology(
        queues=(Queue(name, {"x-queue-type": "classic", "x-expires": MINUTE_MS}),),
        bindings=(Binding(REPLIES, name, name), Binding(REPLIES, name, ATTENDANCE)),
    )


def _events_with_x_death() -> Binding:
    # A void argument matches any value of the header. Events without the header match no binding
    # and take the gate's alternate exchange. This is the first binding because it is the only one
    # that gateways may make.
    match: dict[str, Argument] = {"x-match": "all-with-x", "x-death": None}
    return Binding(GATE, ENDED, to_exchange=True, arguments=match)


def _queries(provider: str) -> Queue:
    return Queue(
        queries_queue(provider),
        {
            "x-queue-type": "quorum",
            "x-overflow": "reject-publish",
            "x-max-length": 10_000,
            "x-message-ttl": PARTITION_TTL_MS,
            "x-delivery-limit": DELIVERY_LIMIT,
        },
    )


def _partition(name: str) -> Queue:
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-overflow": "reject-publish",
            "x-max-length": 100_000,
            "x-message-ttl": PARTITION_TTL_MS,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": ENDED,
            "x-dead-letter-strategy": "at-least-once",
        },
    )


def _ended() -> Queue:
    # Bounded like the audit: without a recorder, dead letters must not fill the disk. In a queue
    # with a delivery limit, requeued messages keep their position; each change of the recorder
    # counts as one delivery.
    return Queue(
        ENDED,
        {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-max-length-bytes": GIB,
            "x-delivery-limit": 1_000_000,
        },
    )


def _dead() -> Queue:
    # Operators read this queue in the management UI, and each read counts as a delivery. Workers
    # and the recorder wait for the confirm of a dead letter: a full queue must not reject it.
    return Queue(
        DEAD,
        {
            "x-queue-type": "quorum",
            "x-overflow": "drop-head",
            "x-max-length-bytes": GIB,
            "x-delivery-limit": 1_000_000,
        },
    )


def _audit() -> Queue:
    # Bounded by age and bytes: RabbitMQ blocks every publisher when the disk is full.
    return Queue(
        AUDIT,
        {
            "x-queue-type": "stream",
            "x-max-age": "30D",
            "x-max-length-bytes": 10 * GIB,
            "x-stream-max-segment-size-bytes": 100 * MIB,
        },
    )


def _recent() -> Queue:
    # Each read in the management UI counts as a delivery. The queue drops its oldest record for a
    # new one, so it never rejects an outcome.
    return Queue(
        RECENT,
        {
            "x-queue-type": "quorum",
            "x-overflow": "drop-head",
            "x-max-length": 100,
            "x-max-length-bytes": 64 * MIB,
            "x-delivery-limit": 1_000_000,
        },
    )
