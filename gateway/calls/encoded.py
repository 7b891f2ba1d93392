"""An operation as it is published: its routing key, and its body, sealed where required."""

from typing import Any

from msgspec import Struct

from contracts import address, topology, wire
from contracts.faults import Code, Fault
from contracts.operation import Operation, Row
from contracts.seal import SEALED, Seals


class Encoded(Struct, frozen=True):
    """The parts of a message that depend on the operation only."""

    row: Row
    key: str
    body: bytes
    content_type: str


def encoded(provider: str, operation: Operation[Any], seals: Seals) -> Encoded:
    """Return the operation for a provider; raise a fault if it is too large or cannot be sealed."""
    row = operation.row
    where = address.address(operation)
    body, content_type = wire.encode(operation), wire.JSON
    secret = row.secret is not None and address.find(operation, row.secret) is not None
    if secret or (row.seal and seals.can_seal):
        body, content_type = seals.seal(body, row.name, where), SEALED
    if len(body) > topology.MESSAGE_LIMIT:
        raise Fault(
            Code.REQUEST_TOO_LARGE,
            f"the message body of {row.name} has {len(body)} bytes: expected at most "
            f"{topology.MESSAGE_LIMIT}",
        )
    return Encoded(row, address.routing_key(provider, row, where), body, content_type)
