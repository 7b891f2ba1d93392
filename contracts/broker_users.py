"""The broker's users, each with the least rights for its work.

These users are optional: machinist also works with one user with all rights.
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
"""Results that gateways record, for commands whose end no worker recorded."""

COLLECTIONS = sorted({op.row.collection for op in OPERATIONS.values() if op.row.from_producers})

AUDITORS_QUEUES = rf"^{re.escape(topology.AUDIT)}\..+$"
"""No queue of a provider matches: names of exchanges and queues are reserved provider names."""


REPLIES_QUEUES = rf"{re.escape(topology.REPLIES)}\.[0-9a-z-]+\.[0-9]+"


class User(Struct, frozen=True, kw_only=True):
    """A user with its rights, as regular expressions for names of exchanges and queues.

    `keys` maps topic exchanges to the permitted routing keys. A user without a tag cannot log in to
    the management UI.
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
    """Return all users of the broker. The workers of each provider have a separate user."""
    members = [
        _gateway(),
        *(_worker(provider) for provider in providers),
        *(_producer(name, providers) for name in producers),
        _auditor(),
        _operator(),
    ]
    return [structs.replace(user, name=prefix + user.name) for user in members]


def worker(provider: str) -> str:
    """Return the name of the user for a provider's workers."""
    return f"worker-{provider}"


def _gateway() -> User:
    # To bind a queue, a user needs the right to write to the queue and to read from the exchange:
    # here for the replies queue, and for the binding of the gate that definitions cannot express.
    # A gateway publishes to machinist.replies to check that replies arrive.
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
        configure=_only(REPLIES_QUEUES),
        write=_only(*map(re.escape, published), REPLIES_QUEUES),
        read=_only(*map(re.escape, readable), REPLIES_QUEUES),
        keys={topology.OUTCOMES: _only(rf"({'|'.join(RECORDED)})\..*")},
    )


def _worker(provider: str) -> User:
    # The address in an outcome's key comes from an unvalidated message, and may be empty. Gateways
    # record the commands that the broker refused.
    results = "|".join(result for result in Result if result is not Result.REFUSED)
    published = [topology.REPLIES, topology.OUTCOMES, topology.DEAD]
    return User(
        name=worker(provider),
        write=_only(*map(re.escape, published)),
        read=_only(rf"machinist\.{provider}\.(queries|commands\.[0-{SLOTS - 1}])"),
        keys={topology.OUTCOMES: _only(rf"({results})\.{provider}\..*")},
    )


def _producer(name: str, providers: list[str]) -> User:
    # The routing key does not contain the operation, so workers check that it is permitted.
    key = rf"({'|'.join(providers)})\.[0-{SLOTS - 1}]\.({'|'.join(COLLECTIONS)})\.[^.]+\.[^.]+"
    return User(
        name=name,
        write=_only(re.escape(topology.EVENTS)),
        keys={topology.EVENTS: _only(key)},
    )


def _auditor() -> User:
    # Reading from a stream removes nothing. For live outcomes an auditor declares its own queues.
    return User(
        name=AUDITOR,
        configure=AUDITORS_QUEUES,
        write=AUDITORS_QUEUES,
        read=_only(re.escape(topology.OUTCOMES), rf"{re.escape(topology.AUDIT)}(\..+)?"),
    )


def _operator() -> User:
    # An operator makes calls as a gateway does, and removes dead letters. The deletion of a
    # provider's queues is for the administrator, who imports their definitions.
    readable = [topology.RECENT, topology.DEAD, topology.AUDIT, topology.REPLIES]
    return User(
        name=OPERATOR,
        configure=_only(REPLIES_QUEUES),
        write=_only(*map(re.escape, [topology.QUERIES, topology.COMMANDS]), REPLIES_QUEUES),
        read=_only(*map(re.escape, readable), REPLIES_QUEUES),
        tags=("monitoring",),
    )


def _only(*patterns: str) -> str:
    """Return a pattern of whole names, because RabbitMQ accepts a match anywhere in a name."""
    return f"^({'|'.join(patterns)})$"
