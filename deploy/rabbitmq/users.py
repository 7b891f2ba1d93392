"""The broker's users, each with the rights that its work needs and no more.

A process needs its own user only where somebody imported these; an empty broker and one user with
all rights do as well.
"""

import re
from collections.abc import Sequence

from msgspec import Struct, structs

from contracts import topology
from contracts.address import SLOTS
from contracts.api import OPERATIONS
from contracts.outcomes import Result

NOTHING = "^$"

GATEWAY = "gateway"
PRODUCER = "producer"
AUDITOR = "auditor"
OPERATOR = "operator"

RECORDED = (Result.REFUSED, Result.EXPIRED, Result.UNKNOWN, Result.DEAD)
"""What gateways record: how commands ended that no worker could tell of."""

COLLECTIONS = sorted({op.row.collection for op in OPERATIONS.values() if op.row.from_producers})

AUDITORS_QUEUES = rf"^{re.escape(topology.AUDIT)}\..+$"
"""No provider's queue has such a name: none may attach under the name of an exchange or queue."""


class User(Struct, frozen=True, kw_only=True):
    """A user and its rights, as regular expressions over the names of exchanges and queues.

    `keys` are the only routing keys that it may publish under, by topic exchange. Without a tag it
    cannot log in to the management UI.
    """

    name: str
    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING
    keys: dict[str, str] = {}
    tags: tuple[str, ...] = ()


def users(
    providers: list[str], producers: Sequence[str] = (PRODUCER,), prefix: str = ""
) -> list[User]:
    """Everybody who works with the broker; each provider's workers have a user of their own."""
    everybody = [
        _gateway(),
        *(_worker(provider) for provider in providers),
        *(_producer(name, providers) for name in producers),
        _auditor(),
        _operator(),
    ]
    return [structs.replace(user, name=prefix + user.name) for user in everybody]


def worker(provider: str) -> str:
    """The name of the user of a provider's workers."""
    return f"worker-{provider}"


def _gateway() -> User:
    # To bind its replies queue it writes the queue and reads the exchange; likewise it closes the
    # gate, which definitions cannot. It publishes replies to check that they arrive.
    replies = rf"{re.escape(topology.REPLIES)}\.[0-9a-z-]+\.[0-9]+"
    published = [
        topology.QUERIES,
        topology.COMMANDS,
        topology.REPLIES,
        topology.OUTCOMES,
        topology.ENDED,
        topology.DEAD,
    ]
    readable = [topology.ENDED, topology.GATE, topology.AUDIT, topology.REPLIES]
    return User(
        name=GATEWAY,
        configure=_only(replies),
        write=_only(*map(re.escape, published), replies),
        read=_only(*map(re.escape, readable), replies),
        keys={topology.OUTCOMES: _only(rf"({'|'.join(RECORDED)})\..*")},
    )


def _worker(provider: str) -> User:
    # The address in an outcome's key is what a stranger's message claims: even none.
    published = [topology.REPLIES, topology.OUTCOMES, topology.DEAD]
    return User(
        name=worker(provider),
        write=_only(*map(re.escape, published)),
        read=_only(rf"machinist\.{provider}\.(queries|commands\.[0-{SLOTS - 1}])"),
        keys={topology.OUTCOMES: _only(rf"[a-z]+\.{provider}\..*")},
    )


def _producer(name: str, providers: list[str]) -> User:
    # Which operation it asks for is no part of a key: that is for workers to judge.
    key = rf"({'|'.join(providers)})\.[0-{SLOTS - 1}]\.({'|'.join(COLLECTIONS)})\.[^.]+\.[^.]+"
    return User(
        name=name,
        write=_only(re.escape(topology.EVENTS)),
        keys={topology.EVENTS: _only(key)},
    )


def _auditor() -> User:
    # Reading a stream takes nothing from it. Live outcomes need a queue of the auditor's own.
    return User(
        name=AUDITOR,
        configure=AUDITORS_QUEUES,
        write=AUDITORS_QUEUES,
        read=_only(re.escape(topology.OUTCOMES), rf"{re.escape(topology.AUDIT)}(\..+)?"),
    )


def _operator() -> User:
    return User(
        name=OPERATOR,
        read=_only(*map(re.escape, [topology.RECENT, topology.DEAD])),
        tags=("monitoring",),
    )


def _only(*patterns: str) -> str:
    """These and nothing else: RabbitMQ is content with a match anywhere in a name."""
    return f"^({'|'.join(patterns)})$"
