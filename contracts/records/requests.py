"""Requests: commands in the audit, without readable secrets; independent of the broker."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts import wire
from contracts.faults import Fault
from contracts.operation import Operation
from contracts.records.summary import Summary, summary_of
from contracts.seal import Seals, is_sealed
from contracts.secrecy import may_hold_secrets
from contracts.topology import MESSAGE_LIMIT
from contracts.wire import (
    HEADER_DEADLINE,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_REPLAY_OF,
    HEADER_RETRIES,
    Header,
    Message,
)

HOLDS_SECRETS = "the body may hold secrets and was not sealed"
TOO_LARGE = f"the body had {{}} bytes, the limit is {MESSAGE_LIMIT}"
NOT_UNDERSTOOD = "the body does not match the operation"

MOST_S = 253_402_300_799
"""The last second of the year 9999."""


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A command in the audit, as it was requested.

    The command was published to `exchange`: `machinist.events` by a producer, `machinist.commands`
    by a gateway. `body` is the operation. A sealed body is kept as `sealed`, in Base64, together
    with a `summary` and a `digest` of the operation (HMAC-SHA256 under a key derived from the seal
    key, in hexadecimal: equal operations have equal digests). For a body that is not kept,
    `withheld` is the reason. `retries` is the id of the dead command that this command repeats,
    `replay_of` that of the command in the audit that it replays.
    """

    exchange: str
    deadline: datetime | None = None
    idempotency_key: str | None = None
    retries: str | None = None
    replay_of: str | None = None
    body: Any = None
    sealed: str | None = None
    summary: Summary | None = None
    digest: str | None = None
    withheld: str | None = None


def request_of(message: Message, operation: Operation[Any] | None, seals: Seals) -> Request:
    """Return the request in a message; `operation` is None if the body could not be read."""
    key = message.headers.get(HEADER_IDEMPOTENCY_KEY)
    kept: dict[str, Any] = {}
    if is_sealed(message.body):
        kept["sealed"] = b64encode(message.body).decode()
        if operation is not None:
            kept["summary"] = summary_of(operation)
            kept["digest"] = seals.digest(wire.encode(operation), like=message.body)
    elif message.dropped:
        kept["withheld"] = TOO_LARGE.format(message.dropped)
    elif may_hold_secrets(message.type, message.body):
        kept["withheld"] = HOLDS_SECRETS
    elif operation is None:
        kept["withheld"] = NOT_UNDERSTOOD
    else:
        # Encoded again to drop members that the operation does not have.
        kept["body"] = msgspec.Raw(wire.encode(operation))
    return Request(
        exchange=message.exchange,
        deadline=_deadline(message),
        idempotency_key=key if isinstance(key, str) else None,
        retries=_id(message.headers.get(HEADER_RETRIES)),
        replay_of=_id(message.headers.get(HEADER_REPLAY_OF)),
        **kept,
    )


def operation_in(message: Message, seals: Seals) -> Operation[Any] | None:
    """Return the operation in a command, None if the body cannot be opened or read."""
    try:
        body = message.body
        if is_sealed(body):
            body = seals.open(body, message.type, message.key.split(".", 2)[-1])
        return wire.decode(message.type, body)
    except Fault:
        return None


def _id(header: Header | None) -> str | None:
    return header[: wire.SHORT_LIMIT] if isinstance(header, str) else None


def _deadline(message: Message) -> datetime | None:
    deadline = message.headers.get(HEADER_DEADLINE)
    if type(deadline) is not int or not 0 <= deadline / 1000 <= MOST_S:
        return None
    return datetime.fromtimestamp(deadline / 1000, UTC)
