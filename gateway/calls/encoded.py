"""An operation as it is published: its routing key, and its body, sealed where required."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from msgspec import Struct

from contracts import CONTRACT, VERSION, address, topology, wire
from contracts.faults import Code, Fault
from contracts.operation import Operation, Row
from contracts.seal import SEALED, Seals
from contracts.wire import Header, Message
from gateway.context import Context

Headers = Mapping[str, Header]


class Encoded(Struct, frozen=True):
    """The parts of a message that depend on the operation only."""

    row: Row
    key: str
    body: bytes
    content_type: str

    def message(
        self, reply_to: str, user: str | None, milliseconds: int, context: Context, headers: Headers
    ) -> Message:
        """Return the message that asks for a reply within this time."""
        now = time.time()
        identity = context.command_id or uuid4().hex
        return Message(
            exchange=topology.QUERIES if self.row.safe else topology.COMMANDS,
            key=self.key,
            body=self.body,
            type=self.row.name,
            message_id=identity,
            content_type=self.content_type,
            correlation_id=identity,
            reply_to=reply_to,
            expiration=milliseconds,
            timestamp=int(now),
            app_id=f"gateway/{VERSION}",
            user_id=user,
            persistent=not self.row.safe,
            headers={
                wire.HEADER_CONTRACT: CONTRACT,
                wire.HEADER_DEADLINE: int(now * 1000) + milliseconds,
                **context.headers(),
                **headers,
            },
        )


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
