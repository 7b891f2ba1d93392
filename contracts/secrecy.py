"""Which bodies may hold secrets though nobody sealed them: those are kept and told nowhere else."""

from typing import Any

import msgspec

from contracts import address, seal
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.operation import AnyOperation, Operation

MEMBERS = frozenset(
    operation.row.secret.partition(".")[0]
    for operation in OPERATIONS.values()
    if operation.row.secret is not None
)
"""The members of a body under which operations carry secrets."""

OPEN_WITHOUT_KEY = tuple(
    operation.row.name
    for operation in OPERATIONS.values()
    if operation.row.seal and operation.row.secret != operation.row.body
)
"""The operations whose bodies travel as they are where there is no key to seal them with."""

KINDS = frozenset({"secret", "secrets", "secretlist"})
DEEPEST = 16
"""Levels of a body that are searched; nobody sends a Secret in a deeper one by mistake."""

HAS_PARTS = (dict, list)


def may_hold_secrets(name: str, body: bytes) -> bool:
    """Whether somebody who reads this body, sent as the operation `name`, may read a secret.

    What cannot be read may hold one. Of an operation that is unknown, a misspelt one perhaps, the
    body counts as it would under any name.
    """
    if seal.is_sealed(body):
        return False
    operation = OPERATIONS.get(name)
    if operation is not None and operation.row.secret is None:
        return False
    found = _read(body, operation)
    if found is None:
        return True
    if isinstance(found, Operation):
        return address.find(found, found.row.secret or "") is not None
    return not MEMBERS.isdisjoint(found)


def _read(
    body: bytes, operation: type[Operation[Any]] | None
) -> Operation[Any] | dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=operation or dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sealable(operation: AnyOperation) -> AnyOperation:
    """The operation itself; `invalid` where a Secret is in it and is not what it is for."""
    row = operation.row
    body = getattr(operation, row.body) if isinstance(row.body, str) else {}
    if row.body != row.secret and _has_secret(body):
        raise Fault(
            Code.INVALID,
            f"{row.name} takes no Secret, nor anything with one in it: expected "
            "PUT /secrets/<scope>, which seals it",
        )
    return operation


def _has_secret(body: dict[str, Any]) -> bool:
    """Whether there is a Secret in a body, such as among the items of a List."""
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for thing in level:
            is_object = isinstance(thing, dict)
            if is_object and _is_secret(thing):
                return True
            parts = thing.values() if is_object else thing
            below += [part for part in parts if isinstance(part, HAS_PARTS)]
        level = below
    return False


def _is_secret(thing: dict[str, Any]) -> bool:
    """Whether this is one in somebody's words; what merely refers to one has its name beside it."""
    if "stringData" in thing:
        return True
    kind = thing.get("kind")
    if not isinstance(kind, str) or kind.strip().casefold() not in KINDS:
        return False
    return "name" not in thing or "data" in thing
