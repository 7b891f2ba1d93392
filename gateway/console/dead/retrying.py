"""The retry of a dead letter: its command as a new message, perhaps with an edited body; no I/O."""

from typing import Any

import msgspec

from contracts import address, wire
from contracts.address import is_provider_name
from contracts.api import OPERATIONS
from contracts.checks.json_limits import MESSAGES
from contracts.checks.members import require_known
from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.operation import Operation, Row
from contracts.records.dead_letters import ABSENT
from contracts.seal import SEALED, Seals, is_sealed
from contracts.secrecy import reject_embedded_secret
from contracts.wire import HEADER_IDEMPOTENCY_KEY, Message
from gateway.calls.encoded import Encoded, encoded
from gateway.context import Context
from gateway.recorder.dead_letters import provider_of


class Retry(msgspec.Struct, frozen=True):
    """The provider, the message and the context with which a dead command is run again."""

    provider: str
    request: Encoded
    context: Context


def retry_of(message: Message, command_id: str, seals: Seals, body: bytes | None = None) -> Retry:
    """Return the retry of a letter under a new id; raise a fault if the command is invalid.

    `body` replaces the letter's body. The routing key is computed again, from the body. A sealed
    body that `seals` cannot open is sent as it is, to the address for which it was sealed.
    """
    row = _row(message)
    provider = _provider(message)
    key = message.headers.get(HEADER_IDEMPOTENCY_KEY)
    context = Context(
        command_id=command_id,
        # With another body, the key would make the worker refuse the command.
        idempotency_key=key if body is None and isinstance(key, str) else None,
        retries=message.message_id[: wire.SHORT_LIMIT] or None,
    )
    if body is None and is_sealed(message.body):
        try:
            operation = wire.decode(row.name, opened(message, seals))
        except Fault:
            return Retry(provider, _sealed(message, provider, row), context)
    else:
        operation = _operation(row, _body(message) if body is None else body)
    if body is not None and is_sealed(message.body) and not seals.can_seal:
        raise Fault(
            Code.SEALING_NOT_CONFIGURED,
            "the body of the letter is sealed, so an edited body must be sealed: set PLT_SEAL_KEY",
        )
    return Retry(provider, encoded(provider, operation, seals), context)


def opened(message: Message, seals: Seals) -> bytes:
    """Return the body of a letter, opened if it is sealed; raises a fault without the key."""
    if not is_sealed(message.body):
        return _body(message)
    return seals.open(message.body, message.type, message.key.split(".", 2)[-1])


def with_replicas(body: bytes, name: str, replicas: int) -> bytes:
    """Return the body of a scaling with another number of replicas; raises `invalid`."""
    operation = OPERATIONS.get(name)
    if operation is None or "replicas" not in operation.row.body:
        raise Fault(Code.INVALID, f"--replicas: {name or 'the letter'} has no member replicas")
    return msgspec.json.encode(wire.parse(body, MESSAGES) | {"replicas": replicas})


def _operation(row: Row, body: bytes) -> Operation[Any]:
    """Return the operation in a body; every member must be known."""
    operation = OPERATIONS[row.name]
    require_known(wire.parse(body, MESSAGES), operation, "body")
    return reject_embedded_secret(wire.decode(row.name, body))


def _row(message: Message) -> Row:
    operation = OPERATIONS.get(message.type)
    if operation is None:
        raise wire.unknown_operation(message.type)
    if operation.row.safe:
        raise Fault(Code.INVALID, f"{message.type} is a query, which is not retried")
    return operation.row


def _provider(message: Message) -> str:
    provider = provider_of(message) or message.key.partition(".")[0]
    if not is_provider_name(provider):
        raise Fault(
            Code.INVALID,
            f"no provider is named by the queue or the routing key {show(message.key)}",
        )
    return provider


def _body(message: Message) -> bytes:
    if message.body.startswith(ABSENT):
        raise Fault(Code.INVALID, "the letter has no body: replace it (--body)")
    return message.body


def _sealed(message: Message, provider: str, row: Row) -> Encoded:
    where = message.key.split(".", 2)[-1]
    key = address.routing_key(provider, row, where)
    return Encoded(row, key, message.body, SEALED)
