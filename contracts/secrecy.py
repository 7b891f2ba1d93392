"""Detects unsealed bodies that may hold secrets; these are kept in no record and no dead letter."""

from collections.abc import Callable
from typing import Any

import msgspec

from contracts import seal
from contracts.api import OPERATIONS
from contracts.checks.json_limits import MESSAGES, decode
from contracts.faults import Code, Fault
from contracts.operation import AnyOperation

MEMBERS = frozenset(
    operation.row.secret.partition(".")[0]
    for operation in OPERATIONS.values()
    if operation.row.secret is not None
)
"""The fields of operations that carry secrets."""

OPEN_WITHOUT_KEY = tuple(
    operation.row.name
    for operation in OPERATIONS.values()
    if operation.row.seal and operation.row.secret != operation.row.body
)
"""The operations whose bodies are sent in plain text if no key is configured."""

KINDS = frozenset({"secret", "secrets", "secretlist"})
SECRET_MEMBERS = frozenset({"stringData", "pullSecret", "password"})
"""Members that usually hold a secret, in a body of any kind."""

DEEPEST = 16
"""Levels of a body that are searched; a Secret is not embedded deeper by mistake."""

HAS_PARTS = (dict, list)


def may_hold_secrets(name: str, body: bytes) -> bool:
    """Tell whether the body of the operation `name` may contain a readable secret.

    A body that is not JSON counts, unless the operation never carries a secret. In the body of an
    unknown operation, whose name may be misspelt, the secret field of every operation counts.
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
    """Tell whether a body has a value at a dotted path, or a value that is not an object above."""
    value: Any = found
    for key in path.split("."):
        if not isinstance(value, dict):
            return value is not None
        value = value.get(key)
    return value is not None


def reject_embedded_secret(operation: AnyOperation) -> AnyOperation:
    """Return the operation; raise `invalid` if a manifest of another kind contains a Secret."""
    row = operation.row
    body = getattr(operation, row.body) if isinstance(row.body, str) else {}
    if row.body != row.secret and _contains(body, _is_secret):
        raise Fault(
            Code.INVALID,
            f"{row.name} accepts no Secret and no object that contains a Secret: expected "
            "PUT /secrets/<scope>, which seals it",
        )
    return operation


def _contains(body: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> bool:
    """Tell whether an object in a body, such as an item of a List, is `wanted`."""
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


def _is_secret(part: dict[str, Any]) -> bool:
    """Tell whether an object is a Secret; a mere reference to a Secret has a member `name`."""
    if "stringData" in part:
        return True
    kind = part.get("kind")
    if not isinstance(kind, str) or kind.strip().casefold() not in KINDS:
        return False
    return "name" not in part or "data" in part
