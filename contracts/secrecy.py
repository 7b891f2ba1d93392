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
    """The operation itself; `invalid` where it is a Secret sent as what travels open."""
    row = operation.row
    body = getattr(operation, row.body) if isinstance(row.body, str) else {}
    if not row.seal and (body.get("kind") == "Secret" or "stringData" in body):
        raise Fault(
            Code.INVALID,
            f"{row.name} takes no Secret, and would not seal it: expected PUT /secrets/<scope>",
        )
    return operation
