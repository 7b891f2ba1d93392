"""Dispatch: calls the provider's method for a message, and makes a reply of the result.

Independent of broker and platform.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec

from contracts import wire
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.freshness import CommandCount, Versions
from contracts.observation.registry import Registry
from contracts.operation import Operation
from contracts.seal import Seals
from contracts.wire import Message, Reply
from worker import platform_access
from worker.messages.examination import Examination, Producers, Refusal
from worker.metrics import Metrics
from worker.optional_methods import (
    HasInformers,
    HasSharedReads,
    InformerState,
    SharedReadsState,
)
from worker.provider import Call
from worker.redaction import redact, redact_text

log = logging.getLogger(__name__)

REPLY_LIMIT = 12 * 1024 * 1024

MAX_PROBLEM, MAX_PROBLEMS = 500, 10
"""The maximal length and number of the reasons for live reads in an announcement."""

Method = Callable[[Any, Call], Awaitable[Any]]


def methods(provider: object) -> dict[str, Method]:
    """Return the methods of a provider by operation; TypeError if one does not fit the table."""
    found = {}
    for name, function in inspect.getmembers(type(provider), inspect.isfunction):
        operation = OPERATIONS.get(name)
        is_async = inspect.iscoroutinefunction(function)
        if name.startswith("_") or name == platform_access.METHOD or not (operation or is_async):
            continue
        if operation is None:
            raise TypeError(f"{type(provider).__name__}.{name} is not an operation of the table")
        if not is_async:
            raise TypeError(f"{type(provider).__name__}.{name} must be a coroutine function")
        hints = get_type_hints(function)
        expected = {"operation": operation, "call": Call, "return": operation.row.result}
        if hints != expected:
            raise TypeError(f"{type(provider).__name__}.{name} takes {hints}, not {expected}")
        found[name] = getattr(provider, name)
    return found


class Concealed(Exception):
    """Logged instead of an exception whose message may hold a secret."""


class Dispatch:
    """Runs operations on one provider."""

    def __init__(
        self,
        name: str,
        provider: object,
        seals: Seals,
        producers: Producers | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`name` is the name under which the provider is attached."""
        self.name = name
        self.metrics = metrics or Metrics(name, Registry("worker"))
        self._methods = methods(provider)
        self._provider = provider
        self._examination = Examination(name, seals, producers or {})
        self._commands = CommandCount()

    def informer_states(self) -> list[InformerState]:
        """Return the state of the provider's informers, if it has any."""
        provider = self._provider
        return provider.informer_states() if isinstance(provider, HasInformers) else []

    def shared_reads_state(self) -> SharedReadsState | None:
        """Return the counts of the provider's shared reads, None if it shares none."""
        provider = self._provider
        return provider.shared_reads_state() if isinstance(provider, HasSharedReads) else None

    def after_command(self) -> Versions:
        """Return the versions that queries require after the end of a command, beside its own."""
        return self._commands.after() if isinstance(self._provider, HasSharedReads) else {}

    def live_reads(self) -> list[str]:
        """Return why frequent queries ask the platform, as sentences of limited number."""
        problems = {each.problem for each in self.informer_states() if each.problem is not None}
        return [problem[:MAX_PROBLEM] for problem in sorted(problems)[:MAX_PROBLEMS]]

    async def run(self, message: Message, call: Call) -> Reply:
        """Run a message within its deadline. A fault becomes a reply; a Refusal is raised."""
        try:
            return await self.perform(self.examine(message), call)
        except Refusal:
            raise
        except Fault as fault:
            return wire.reply_of(fault)

    async def platform_access(self, message: Message, call: Call) -> Reply:
        """Return the reply to the question of `machinist doctor`."""
        try:
            return await platform_access.answer(self._provider, message, call)
        except Exception as error:
            return wire.reply_of(_unexpected(message.type, error))

    def examine(self, message: Message, slot: int | None = None) -> Operation[Any]:
        """Return the operation in a message from the queue of a slot. Raises Refusal."""
        try:
            return self._examination.operation(message, slot)
        except Fault:
            raise
        except Exception as error:
            raise _unexpected(message.type, error) from None

    async def perform(self, operation: Operation[Any], call: Call) -> Reply:
        """Return the provider's reply within the deadline; raises a redacted Fault."""
        with self.metrics.run(operation.row.name, call):
            return await self._perform(operation, call)

    async def _perform(self, operation: Operation[Any], call: Call) -> Reply:
        name = operation.row.name
        method = self._methods.get(name)
        if method is None:
            raise self._unsupported(name)
        limit = asyncio.timeout(call.left())
        try:
            async with limit:
                result = await _result(method, operation, call)
            return _encoded(name, result, [redact_text(text, operation) for text in call.warnings])
        except Fault:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                raise Fault(
                    Code.DEADLINE_EXCEEDED, f"{name} was cancelled at its deadline"
                ) from error
            raise _unexpected(name, error) from None

    def _unsupported(self, name: str) -> Fault:
        words = f"{name} is not supported by the provider {self.name}"
        instead = OPERATIONS[name].row.instead
        if instead in self._methods:
            other = OPERATIONS[instead].row
            words += f": use {other.name}, {other.method} /{self.name}{other.path}"
        return Fault(Code.UNSUPPORTED, words)


async def _result(method: Method, operation: Operation[Any], call: Call) -> Any:
    try:
        return await method(operation, call)
    except Fault as fault:
        raise redact(fault, operation) from None


def _unexpected(name: str, error: Exception) -> Fault:
    """Log an unexpected exception and return the fault of its request.

    If the operation can be sealed, only the exception's type is logged: its message may quote the
    body.
    """
    operation = OPERATIONS.get(name)
    if operation is None or operation.row.seal:
        concealed = Concealed(type(error).__name__)
        where = (Concealed, concealed, error.__traceback__)
        log.error("%s failed unexpectedly: %s", name, concealed, exc_info=where)
    else:
        log.error("%s failed unexpectedly", name, exc_info=error)
    return Fault(Code.INTERNAL, f"{name} failed unexpectedly; see the worker's log")


def _encoded(name: str, result: Any, warnings: list[str]) -> Reply:
    body = msgspec.json.encode(result)
    if warnings:
        body = msgspec.json.encode(msgspec.json.decode(body) | {"warnings": warnings})
    if len(body) > REPLY_LIMIT:
        raise Fault(
            Code.REPLY_TOO_LARGE,
            f"the answer to {name} has {len(body)} bytes, the limit is {REPLY_LIMIT}: narrow it by "
            "labels",
        )
    return Reply(200, body)
