"""Bytes to a provider and back: finds the method for a message, knows no broker and no platform."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec

from contracts import CONTRACT, address, wire
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.seal import SEALED, Seals
from contracts.topology import EVENTS
from contracts.wire import Message, Reply
from worker.provider import Call

log = logging.getLogger(__name__)

REPLY_LIMIT = 12 * 1024 * 1024
FROM_EVENTS = frozenset({"update_controller_replicas", "set_machine_labels"})

Method = Callable[[Any, Call], Awaitable[Any]]


class Refusal(Fault):
    """The message can never be run by anybody: it ends as dead, with this reason."""


def methods(provider: object) -> dict[str, Method]:
    """The operations that a provider supports; TypeError where one does not fit the table."""
    found = {}
    for name, function in inspect.getmembers(type(provider), inspect.isfunction):
        operation = OPERATIONS.get(name)
        is_async = inspect.iscoroutinefunction(function)
        if name.startswith("_") or not (operation or is_async):
            continue
        if operation is None:
            raise TypeError(f"{type(provider).__name__}.{name} is no operation of the table")
        if not is_async:
            raise TypeError(f"{type(provider).__name__}.{name} has to be a coroutine function")
        hints = get_type_hints(function)
        expected = {"operation": operation, "call": Call, "return": operation.row.result}
        if hints != expected:
            raise TypeError(f"{type(provider).__name__}.{name} takes {hints}, not {expected}")
        found[name] = getattr(provider, name)
    return found


class Dispatch:
    """Runs messages on one provider."""

    def __init__(
        self,
        name: str,
        provider: object,
        seals: Seals,
        producers: dict[str, frozenset[str]] | None = None,
    ) -> None:
        """`name` is what the provider is attached as.

        `producers` names, by user, the operations beside the usual ones that it may send as events.
        """
        self.name = name
        self._methods = methods(provider)
        self._seals = seals
        self._producers = producers or {}

    async def run(self, message: Message, call: Call) -> Reply:
        """Run the message within its deadline; a fault becomes a reply, a refusal is raised."""
        try:
            operation = self._operation(message)
            return _encoded(operation.row.name, await self._perform(operation, call))
        except Refusal:
            raise
        except Fault as fault:
            return wire.reply_of(fault)
        except Exception:
            # A bug must cost one request, not the worker; its traceback goes to the log alone.
            log.exception("%s failed unexpectedly", message.type)
            text = f"{message.type} failed unexpectedly; see the worker's log"
            return wire.reply_of(Fault(Code.INTERNAL, text))

    async def _perform(self, operation: Operation[Any], call: Call) -> Any:
        row = operation.row
        method = self._methods.get(row.name)
        if method is None:
            raise Fault(
                Code.UNSUPPORTED, f"{row.name} is not supported by the provider {self.name}"
            )
        limit = asyncio.timeout(call.left())
        try:
            async with limit:
                return await method(operation, call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Fault(Code.DEADLINE_EXCEEDED, f"{row.name} was cut at its deadline") from error

    def _operation(self, message: Message) -> Operation[Any]:
        """The operation in a message that is what it claims to be, by the one who may send it."""
        contract = message.headers.get(wire.HEADER_CONTRACT, CONTRACT)
        if message.type not in OPERATIONS or contract != CONTRACT:
            raise Refusal(
                Code.NOT_UNDERSTOOD,
                f"operation {message.type!r} of contract {contract} is not understood by this "
                f"worker; it speaks contract {CONTRACT}",
            )
        if not message.message_id:
            raise Refusal(Code.INVALID, "expected the property message_id, unique for each message")
        self._authorise(message)
        deadline = message.headers.get(wire.HEADER_DEADLINE)
        if deadline is not None and type(deadline) is not int:
            raise Refusal(
                Code.INVALID, "header deadline: expected an integer, milliseconds of the Unix epoch"
            )
        try:
            operation = wire.decode(message.type, self._opened(message))
            where = address.address(operation)
        except Fault as fault:
            raise Refusal(fault.code, fault.message) from fault
        key = address.routing_key(self.name, operation.row, where)
        if message.key != key:
            raise Refusal(Code.INVALID, f"expected the routing key {key}, got {message.key}")
        return operation

    def _opened(self, message: Message) -> bytes:
        row = OPERATIONS[message.type].row
        if message.content_type == SEALED:
            where = message.key.split(".", 1 if row.safe else 2)[-1]
            return self._seals.open(message.body, message.type, where)
        if row.secret is not None:
            operation = wire.decode(message.type, message.body)
            if address.find(operation, row.secret) is not None:
                raise Fault(Code.INVALID, f"{message.type} carries secrets: expected a sealed body")
        return message.body

    def _authorise(self, message: Message) -> None:
        if message.exchange != EVENTS:
            return
        if not message.user_id:
            raise Refusal(Code.FORBIDDEN, "an event needs the property user_id")
        allowed = FROM_EVENTS | self._producers.get(message.user_id, frozenset())
        if message.type not in allowed:
            raise Refusal(
                Code.FORBIDDEN, f"user {message.user_id} may not send {message.type} as an event"
            )


def _encoded(name: str, result: Any) -> Reply:
    body = msgspec.json.encode(result)
    if len(body) > REPLY_LIMIT:
        raise Fault(
            Code.REPLY_TOO_LARGE,
            f"the answer to {name} has {len(body)} bytes, the limit is {REPLY_LIMIT}: narrow it by "
            "labels",
        )
    return Reply(200, body)
