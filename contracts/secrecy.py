"""Which bodies may hold secrets though nobody sealed them: those are kept and told nowhere else."""

from collections.abc import Callable
from typing import Any

import msgspec

from contracts import seal
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.json_limits import MESSAGES, decode
from contracts.operation import AnyOperation

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
SECRET_MEMBERS = frozenset({"stringData", "pullSecret", "password"})
"""Names under which people write secrets in bodies of any kind."""

DEEPEST = 16
"""Levels of a body that are searched; nobody sends a Secret in a deeper one by mistake."""

HAS_PARTS = (dict, list)


def may_hold_secrets(name: str, body: bytes) -> bool:
    """Tell whether a reader of this body, sent as the operation `name`, may read a secret.

    A body that is not JSON may hold one, unless the operation never carries any. The members of an
    unknown operation, perhaps a misspelt one, count as they would under any name.
    """
    if seal.is_sealed(body):
        return False
    operation = OPERATIONS.get(name)
    found = _json(body)
    if found is None:
        return operation is None or operation.row.secret is not None
    if operation is None:
        own_secret = not MEMBERS.isdisjoint(found)
    else:
        own_secret = operation.row.secret is not None and _is_at(found, operation.row.secret)
    return own_secret or _contains(found, _is_or_has_secret)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        return decode(body, MESSAGES, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _is_at(found: dict[str, Any], path: str) -> bool:
    """Tell whether a body has anything at a dotted path, or no object on the way there."""
    value: Any = found
    for key in path.split("."):
        if not isinstance(value, dict):
            return value is not None
        value = value.get(key)
    return value is not None


def reject_embedded_secret(operation: AnyOperation) -> AnyOperation:
    """Return the operation; `invalid` if a manifest of another kind contains a Secret."""
    row = operation.row
    body = getattr(operation, row.body) if isinstance(row.body, str) else {}
    if row.body != row.secret and _contains(body, _is_secret):
        raise Fault(
            Code.INVALID,
            f"{row.name} takes no Secret, nor anything with one in it: expected "
            "PUT /secrets/<scope>, which seals it",
        )
    return operation


def _contains(body: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> bool:
    """Tell whether there is a wanted object in a body, such as among the items of a List."""
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for part in level:
            is_object = isinstance(part, dict)
            if is_object and wanted(part):
                return True
            parts = part.values() if is_object else part
            below += [each for each in parts if isinstance(each, HAS_PARTS)]
        level = below
    return False


def _is_or_has_secret(part: dict[str, Any]) -> bool:
    return not SECRET_MEMBERS.isdisjoint(part) or _is_secret(part)


def _is_secret(thing: dict[str, Any]) -> bool:
    """Whether this is one in somebody's words; what merely refers to one has its name beside it."""
    if "stringData" in thing:
        return True
    kind = thing.get("kind")
    if not isinstance(kind, str) or kind.strip().casefold() not in KINDS:
        return False
    return "name" not in thing or "data" in thing
