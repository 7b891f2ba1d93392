"""The examination of a message: its properties, its publisher's rights, its body and its key.

Pure except for the seal; independent of broker and provider.
"""

from collections.abc import Mapping
from typing import Any

from contracts import CONTRACT, address, wire
from contracts.api import OPERATIONS
from contracts.checks.json_limits import MESSAGES
from contracts.checks.members import require_known
from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.printable import printable
from contracts.records.dead_letters import COPIES
from contracts.seal import SEALED, Seals
from contracts.secrecy import reject_embedded_secret
from contracts.topology import COMMANDS, MESSAGE_LIMIT, QUERIES
from contracts.wire import Message

FROM_GATEWAYS = frozenset({COMMANDS, QUERIES})
"""The exchanges to which only gateways may publish; a message of another exchange is an event."""

KEY_LIMIT = 255
PLAIN = frozenset({wire.JSON, "identity", "utf-8", "utf8", "binary"})
"""Content types and encodings that clients declare for plain JSON."""

Producers = Mapping[str, frozenset[str]]
"""Operations that a broker user may send as events beside the ones that every user may send."""


class Refusal(Fault):
    """The fault of a message that can never be run; a command becomes a dead letter."""


def too_large(message: Message) -> Refusal:
    """Return the refusal of a message whose body was over the limit."""
    return Refusal(
        Code.REQUEST_TOO_LARGE,
        f"the body of {message.type[:80]!r} has {message.dropped} bytes, the limit is "
        f"{MESSAGE_LIMIT}; the worker dropped the body on arrival: split the request, or move "
        "large parts out of it",
    )


class Examination:
    """The checks that a message passes before a provider gets it."""

    def __init__(self, provider: str, seals: Seals, producers: Producers) -> None:
        self._provider = provider
        self._seals = seals
        self._producers = producers

    def operation(self, message: Message, slot: int | None = None) -> Operation[Any]:
        """Return the operation in a message; raises Refusal. `slot`: the slot of a command's queue.

        A copy of a command in the queue of another slot would run concurrently with the other
        commands of its address. So would a command in the queue of queries, and without an outcome.
        """
        _check_properties(message)
        self._authorise(message)
        try:
            operation = self._decoded(message)
            where = address.address(operation)
        except Fault as fault:
            raise Refusal(fault.code, fault.message) from fault
        key = address.routing_key(self._provider, operation.row, where)
        if message.key != key:
            raise Refusal(
                Code.INVALID, f"expected the routing key {key}, got {printable(message.key)}"
            )
        if slot is not None and (operation.row.safe or address.slot(where) != slot):
            raise Refusal(Code.INVALID, f"{key} does not belong in the queue of slot {slot}")
        return operation

    def _decoded(self, message: Message) -> Operation[Any]:
        """Return the operation in the body; a body that carries a secret must be sealed."""
        row = OPERATIONS[message.type].row
        body = message.body
        if message.content_type == SEALED:
            where = message.key.split(".", 1 if row.safe else 2)[-1]
            body = self._seals.open(body, message.type, where)
        try:
            if message.exchange not in FROM_GATEWAYS:
                # Checked first: a misspelt member explains a missing required member.
                require_known(wire.parse(body, MESSAGES), OPERATIONS[message.type], "the event")
            operation = wire.decode(message.type, body)
        except Fault as fault:
            if message.content_type == SEALED:
                raise
            raise Fault(fault.code, f"{fault.message}{_declared_encoding(message)}") from fault
        if message.content_type == SEALED:
            return operation
        if row.secret is not None and address.find(operation, row.secret) is not None:
            raise Fault(Code.INVALID, f"{message.type} carries secrets: expected a sealed body")
        return reject_embedded_secret(operation)

    def _authorise(self, message: Message) -> None:
        for name in COPIES:
            if name in message.headers:
                raise Refusal(Code.FORBIDDEN, f"header {name}: expected none, publish each command")
        if message.exchange in FROM_GATEWAYS:
            return
        if not message.user_id:
            raise Refusal(Code.FORBIDDEN, "an event needs the property user_id")
        if wire.HEADER_REQUESTED_BY in message.headers:
            raise Refusal(
                Code.FORBIDDEN,
                "header requested-by: expected none, only a gateway may set it",
            )
        is_allowed = OPERATIONS[message.type].row.from_producers
        if not is_allowed and message.type not in self._producers.get(message.user_id, ()):
            user = printable(message.user_id)
            raise Refusal(Code.FORBIDDEN, f"user {user} may not send {message.type} as an event")


def _check_properties(message: Message) -> None:
    contract = message.headers.get(wire.HEADER_CONTRACT, CONTRACT)
    if type(contract) is not int:
        raise Refusal(
            Code.NOT_UNDERSTOOD,
            f"header contract: expected the integer {CONTRACT}, got {contract!r:.80}",
        )
    if contract != CONTRACT:
        raise Refusal(
            Code.NOT_UNDERSTOOD,
            f"header contract: expected {CONTRACT}, the contract of this worker, got {contract}",
        )
    if message.type not in OPERATIONS:
        unknown = wire.unknown_operation(message.type)
        raise Refusal(unknown.code, unknown.message)
    if message.exchange == QUERIES and not OPERATIONS[message.type].row.safe:
        raise Refusal(Code.INVALID, f"{message.type} is a command: publish it to {COMMANDS}")
    if not message.message_id:
        raise Refusal(Code.INVALID, "expected the property message_id, unique for each message")
    deadline = message.headers.get(wire.HEADER_DEADLINE)
    if deadline is not None and type(deadline) is not int:
        raise Refusal(
            Code.INVALID, "header deadline: expected an integer, milliseconds of the Unix epoch"
        )
    key = message.headers.get(wire.HEADER_IDEMPOTENCY_KEY)
    if key is not None and not _is_printable(key):
        raise Refusal(
            Code.INVALID, f"header idempotency-key: expected 1 to {KEY_LIMIT} printable characters"
        )


def _declared_encoding(message: Message) -> str:
    """Return a hint on the declared content type and encoding of a body, unless they are JSON."""
    declared = {"content_type": message.content_type, "content_encoding": message.content_encoding}
    other = [
        f"{name} {show(value)}"
        for name, value in declared.items()
        if value and value.partition(";")[0].strip().lower() not in PLAIN
    ]
    if not other:
        return ""
    return f" (its properties say {' and '.join(other)}; expected {wire.JSON} as it is)"


def _is_printable(key: object) -> bool:
    return isinstance(key, str) and 0 < len(key) <= KEY_LIMIT and key.isprintable()
