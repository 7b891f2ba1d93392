"""The names and arguments of everything on the broker, as data; knows no broker.

Arguments carry what cannot change, and limits at their generous upper bound: RabbitMQ takes the
smaller of argument and policy, so that an operator lowers them without a new declaration.
"""

from typing import Literal

from msgspec import Struct

from contracts.address import SLOTS
from contracts.results import FINAL

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
"""The key on the replies exchange under which workers announce themselves to every gateway; also
the type of these announcements, and of the messages by which gateways check the ways to workers.
"""

MINUTE_MS = 60_000
PARTITION_TTL_MS = 10 * MINUTE_MS
"""Nothing waits longer; the deadline of an event that names none."""

PREFETCH = 6_000
"""Consumer prefetch per partition. Commands that wait for an unresponsive target count towards it;
as long as they are fewer, the target's neighbours are delivered. worker/partitions/bodies.py bounds
the bodies in bytes.
"""

DELIVERY_LIMIT = 20
GIB = 1024**3
MIB = 1024**2

MESSAGE_LIMIT = MIB
"""Bytes of a body. A worker dead-letters a larger command and answers a larger query with 413. The
largest HTTP body that a gateway takes (PLT_MAX_BODY_BYTES) fits, with what is wrapped around it.
"""

Argument = str | int | bool | None
"""None stands for AMQP's void."""


class Exchange(Struct, frozen=True):
    """A durable exchange."""

    name: str
    type: Literal["topic", "direct", "fanout", "headers"]
    arguments: dict[str, Argument] = {}


class Queue(Struct, frozen=True):
    """A durable queue, never exclusive: its messages outlive the connection that reads them."""

    name: str
    arguments: dict[str, Argument]


class Binding(Struct, frozen=True):
    """Sends what an exchange gets under a key to a queue, or to another exchange.

    The arguments are those by which an exchange of type headers chooses.
    """

    source: str
    destination: str
    key: str = ""
    to_exchange: bool = False
    arguments: dict[str, Argument] = {}


class Topology(Struct, frozen=True):
    """What has to exist, in an order in which it can be created.

    `former` are the bindings of earlier versions, which must not exist any more.
    """

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()
    former: tuple[Binding, ...] = ()


def whole(*parts: Topology) -> Topology:
    """Several topologies as one, in their order."""
    return Topology(
        exchanges=tuple(each for part in parts for each in part.exchanges),
        queues=tuple(each for part in parts for each in part.queues),
        bindings=tuple(each for part in parts for each in part.bindings),
        former=tuple(each for part in parts for each in part.former),
    )


def queries_queue(provider: str) -> str:
    """Where the queries of a provider wait for any of its workers."""
    return f"machinist.{provider}.queries"


def partition_queue(provider: str, slot: int) -> str:
    """Where the commands of a slot wait for the worker that owns it."""
    return f"machinist.{provider}.commands.{slot}"


def replies_queue(gateway: str, connection: int) -> str:
    """Where a gateway gets its replies; a new one for each connection.

    After a half-open reconnect one queue would share its replies with the dead one's consumer.
    """
    return f"{REPLIES}.{gateway}.{connection}"


def common() -> Topology:
    """What does not depend on who is attached.

    Events pass a gate: RabbitMQ up to 3.13 takes a producer's header `x-death` for its own when it
    ends a command. One that it cannot read has it stop dead-lettering for the whole node.
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
            _turned_away(),
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
    """What a gateway cannot serve requests without."""
    needed = (QUERIES, COMMANDS, REPLIES)
    return Topology(exchanges=tuple(each for each in common().exchanges if each.name in needed))


def of_provider(provider: str) -> Topology:
    """What a provider adds when its first worker attaches.

    Nothing but partitions is bound to `machinist.commands`, by us or by anybody else. Only then
    does a return prove that no partition exists, and a nack that the partition refused: on
    RabbitMQ 4 one classic queue whose node is down makes the broker nack a command that a
    partition has taken.
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
    """The replies queue of one connection of a gateway."""
    name = replies_queue(gateway, connection)
    return Topology(
        queues=(Queue(name, {"x-queue-type": "classic", "x-expires": MINUTE_MS}),),
        bindings=(Binding(REPLIES, name, name), Binding(REPLIES, name, ATTENDANCE)),
    )


def _turned_away() -> Binding:
    # Void means that the header is there, whatever it holds. All others find no binding, and take
    # the gate's alternate exchange. The first binding, since gateways may make this one alone.
    wrong: dict[str, Argument] = {"x-match": "all-with-x", "x-death": None}
    return Binding(GATE, ENDED, to_exchange=True, arguments=wrong)


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
    # Bounded like the audit: while nobody records what ended, it must not fill the disk. With a
    # delivery limit what is returned keeps its place; each change of the recorder counts as one.
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
    # Operators look into this queue; every look counts as a delivery. Whoever puts a letter there
    # waits for the confirm: a full queue must not refuse it.
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
    # Bounded by age and bytes: a full disk stops every publisher.
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
    # Every look in the management UI counts as a delivery. The oldest record makes room for the
    # newest, so that this queue never refuses an outcome.
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
