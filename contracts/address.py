"""Address, slot and routing key of an operation, as pure functions.

Gateway, console, producer and worker compute the same values. Slots never change: they are part of
the contract.
"""

import re
import zlib
from functools import lru_cache
from hashlib import sha256
from typing import Any

from contracts.checks.members import require_known
from contracts.checks.validation import checked
from contracts.faults import Code, Fault
from contracts.field_types import Name
from contracts.operation import Operation, Row

SLOTS = 8
WORD_LIMIT = 80
HASH_DIGITS = 6
ECS_NAME_LIMIT = 255

PROVIDER = re.compile(r"[a-z][a-z0-9-]{0,31}")
PATH_WORDS = frozenset({"status", "ready", "documentation", "metrics", "page"})
QUEUE_WORDS = frozenset(
    {"queries", "commands", "events", "replies", "outcomes", "ended", "dead", "audit", "recent"}
)


def is_provider_name(name: str) -> bool:
    """Tell whether a provider may attach under this name."""
    return PROVIDER.fullmatch(name) is not None and name not in PATH_WORDS | QUEUE_WORDS


@lru_cache(4096)
def word(value: str) -> str:
    """Return a name as one word of an address: at most 80 of `[A-Za-z0-9_-]`.

    The name is first converted to a name on ECS, so that a client's name for a service, the
    service's name on ECS and its ARN give the same word.
    """
    name = name_on_ecs(value)
    if len(name) > WORD_LIMIT:
        name = f"{name[: WORD_LIMIT - HASH_DIGITS - 1]}-{_digits(name)}"
    return name


def name_on_ecs(value: str) -> str:
    """Return the name of a resource on ECS: at most 255 of `[A-Za-z0-9_-]`; for an ARN, its name.

    This rule never changes: existing resources were named by it.
    """
    value = value.rpartition("/")[2] if value.startswith("arn:") else value
    name = re.sub(r"[^A-Za-z0-9_-]", "-", value)
    if name != value or len(name) > ECS_NAME_LIMIT:
        name = f"{name[: ECS_NAME_LIMIT - HASH_DIGITS - 1]}-{_digits(value)}"
    return name


def _digits(value: str) -> str:
    return sha256(value.encode()).hexdigest()[:HASH_DIGITS]


def subject(operation: Operation[Any]) -> str | None:
    """Return the name of the resource that an operation acts on, None for a whole collection."""
    row = operation.row
    if row.subject is None:
        return None
    where = row.subject.partition(".")[2] or row.subject
    name = find(operation, row.subject)
    if name is None:
        if "." not in where and row.takes is not None:
            # The contract defines all members of this body: the name may be misspelt.
            require_known(getattr(operation, str(row.body)), row.takes, str(row.body))
        raise Fault(Code.INVALID, f"{where}: expected the name to act on, got nothing")
    subject: str = checked(name, Name, where, secret=row.seal)
    return subject


def find(operation: Operation[Any], path: str) -> Any:
    """Return the value at a dotted path into an operation, None if there is none."""
    field, *keys = path.split(".")
    value = getattr(operation, field)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def address(operation: Operation[Any]) -> str:
    """Return `<collection>.<scope>.<name>`, without a name for a whole collection."""
    return address_of(operation.row, operation.scope, subject(operation))


def address_of(row: Row, scope: str, name: str | None) -> str:
    """Return the address for a row of the table with this scope and name."""
    words = [row.collection, word(scope)]
    return ".".join(words if name is None else [*words, word(name)])


def slot(address: str) -> int:
    """Return the slot of an address, which is the number of its partition: CRC-32 modulo 8."""
    return zlib.crc32(address.encode()) % SLOTS


def routing_key(provider: str, row: Row, address: str) -> str:
    """Return the routing key of an operation: with the slot for a command, without for a query."""
    return f"{provider}.{address}" if row.safe else f"{provider}.{slot(address)}.{address}"
