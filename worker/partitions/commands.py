"""The execution of commands in a worker, from examination to outcome."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

import msgspec

from contracts import outcomes, topology, wire
from contracts.address import subject
from contracts.broker.channel import Delivery
from contracts.broker.errors import Rejected
from contracts.faults import Code, Fault
from contracts.freshness import Versions
from contracts.operation import Operation
from contracts.outcomes import Cause, Result
from contracts.records.requests import Request, operation_in, request_of
from contracts.resources import Deletion
from contracts.seal import Seals
from contracts.wire import Reply, reply_of
from worker.dispatch import Dispatch
from worker.fence import Fence
from worker.messages.clock import Clock
from worker.messages.examination import Refusal, too_large
from worker.messages.record import Record
from worker.messages.replies import Replies
from worker.partitions.command import Command
from worker.partitions.repeats import End, Repeats
from worker.partitions.runs import Disposition, Runs
from worker.provider import Call

LEAST_LEFT_S = 0.25
"""A command with less time until its deadline is not started."""


class Commands:
    """Runs, supersedes and dead-letters commands; each ends with one confirmed outcome.

    The outcome is published before the message is acknowledged: a crash between the two repeats the
    outcome and loses none.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        replies: Replies,
        record: Record,
        clock: Clock,
        fence: Fence,
        runs: Runs,
        seals: Seals,
    ) -> None:
        """`seals` compute the digests of sealed commands in records."""
        self._seals = seals
        self._dispatch = dispatch
        self._replies = replies
        self._record = record
        self._clock = clock
        self._fence = fence
        self._runs = runs
        self._repeats = Repeats()

    def take(self, delivery: Delivery, slot: int) -> Command:
        """Return the command in a delivery from the queue of a slot."""
        command = Command(
            delivery, slot, self._clock.expires_at(delivery.message), self._dispatch.examine
        )
        command.message = wire.bounded(delivery.message)
        if delivery.redelivered:
            self._dispatch.metrics.redelivered(delivery.message)
        if command.message.dropped:
            command.operation = too_large(command.message)
        return command

    async def run(self, command: Command) -> Disposition:
        """Run a command; abandon it to the next owner if the fence is closed."""
        return await _traced(command, self._run(command))

    async def supersede(self, command: Command, newer: Command) -> Disposition:
        """Record that a newer command supersedes this command, which was never started."""
        return await _traced(command, self._supersede(command, newer))

    async def dead_letter(self, command: Command, fault: Fault) -> Disposition:
        """Dead-letter a command that can never be run, and reply with the reason."""
        return await _traced(command, self._dead_letter(command, fault))

    async def _run(self, command: Command) -> Disposition:
        if isinstance(command.operation, Refusal):
            return await self._dead_letter(command, command.operation)
        if not self._fence.may_go_on():
            return Disposition.ABANDON
        call = Call(command.expires_at, self._fence.may_go_on, redelivered=command.redelivered)
        if call.left() < LEAST_LEFT_S:
            return await self._late(command)
        try:
            end = self._repeated(command)
        except Fault as fault:
            return await self._finish(command, _failed(command, fault))
        if end is not None:
            # This command itself may have stored the key before it was redelivered.
            is_own = end.id == outcomes.identity(command.message)
            return await self._finish(command, end, repeats=None if is_own else end.id)
        return await self._start(command, call)

    async def _supersede(self, command: Command, newer: Command) -> Disposition:
        if not self._fence.may_go_on():
            return Disposition.ABANDON
        await self._record.write(
            command.message,
            Result.SUPERSEDED,
            self._request(command),
            finished=outcomes.now(),
            superseded_by=outcomes.identity(newer.message),
        )
        return Disposition.ACKNOWLEDGE

    async def _dead_letter(self, command: Command, fault: Fault) -> Disposition:
        self._dispatch.metrics.refused(command.message, fault.code)
        queue = topology.partition_queue(self._dispatch.name, command.slot)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reply(command, reply_of(fault), {}))
            try:
                await self._record.dead_letter(
                    command.message, fault, queue, self._request(command)
                )
            except Rejected:
                return Disposition.REJECT
        return Disposition.ACKNOWLEDGE

    async def _start(self, command: Command, call: Call) -> Disposition:
        started = outcomes.now()
        try:
            async with asyncio.timeout(call.left() - LEAST_LEFT_S):
                await self._record.write(
                    command.message, Result.STARTED, self._request(command), started=started
                )
                # Abandoning the command here would cancel every running command of the partition.
                await self._fence.recent()
        except TimeoutError:
            return await self._late(command)
        self._dispatch.metrics.started(command.message, call)
        end = await self._perform(command, call)
        if not self._fence.may_go_on():
            return Disposition.ABANDON
        if key := command.idempotency_key:
            self._repeats.remember(command.message.key, key, _operation(command), end)
        return await self._finish(command, end, started=started, written=call.written)

    async def _perform(self, command: Command, call: Call) -> End:
        try:
            reply = await self._dispatch.perform(_operation(command), call)
        except Fault as fault:
            if not _may_have_deleted(command, fault):
                return _failed(command, fault, call)
            reply = _deleted(_operation(command))
        identity = outcomes.identity(command.message)
        return End(identity, reply, Result.DONE, before=call.before, after=call.after)

    async def _late(self, command: Command) -> Disposition:
        """End a command without time to start; if redelivered, it may have been started before."""
        if not self._fence.may_go_on():
            return Disposition.ABANDON
        name = command.message.type
        words = f"{name} waited past its deadline and was never started"
        if command.redelivered:
            words = f"{name} was redelivered past its deadline, and may have been started before"
        fault = Fault(Code.DEADLINE_EXCEEDED, words)
        self._dispatch.metrics.refused(command.message, fault.code)
        result = Result.UNKNOWN if command.redelivered else Result.EXPIRED
        end = End("", reply_of(fault), result, Cause(fault.code, fault.message))
        return await self._finish(command, end)

    def _repeated(self, command: Command) -> End | None:
        key = command.idempotency_key
        if key is None:
            return None
        return self._repeats.find(command.message.key, key, _operation(command))

    def _request(self, command: Command) -> Request:
        operation: Operation[Any] | None
        if isinstance(command.operation, Fault):
            operation = operation_in(command.message, self._seals)
        else:
            operation = command.operation
        return request_of(command.message, operation, self._seals)

    async def _finish(
        self,
        command: Command,
        end: End,
        *,
        started: datetime | None = None,
        repeats: str | None = None,
        written: Versions | None = None,
    ) -> Disposition:
        """Record the end and send the reply, concurrently.

        The versions that the command has `written` are announced before the reply, also after a
        failure: the command may have had an effect.

        If the broker falls silent and the run is cancelled, the record of a successful command is
        completed nevertheless: its reply may have reached the gateway.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reply(command, end.reply, written or {}))
            recording = self._record.write(
                command.message,
                end.result,
                self._request(command) if started is None else None,
                started=started,
                finished=outcomes.now(),
                status=end.reply.status,
                fault=end.fault,
                before=end.before,
                after=end.after,
                repeats=repeats,
            )
            await (self._runs.complete(recording) if end.result is Result.DONE else recording)
        return Disposition.ACKNOWLEDGE

    async def _reply(self, command: Command, reply: Reply, written: Versions) -> None:
        written = written | self._dispatch.after_command()
        if written:
            await self._replies.announce(command.message, written)
        if command.message.reply_to:
            await self._replies.send(command.message, reply, command.expires_at)


async def _traced(command: Command, work: Coroutine[Any, Any, Disposition]) -> Disposition:
    """Run the work on a command in its span."""
    with command.span() as span:
        disposition = await work
        if disposition is Disposition.ABANDON:
            span.fail("abandoned")
        return disposition


def _operation(command: Command) -> Operation[Any]:
    """Return the operation to run; raises the fault of a failed examination."""
    if isinstance(command.operation, Fault):
        raise command.operation
    return command.operation


def _may_have_deleted(command: Command, fault: Fault) -> bool:
    """Tell whether a redelivered deletion found no object: its first run may have deleted it."""
    operation = command.operation
    deletes = isinstance(operation, Operation) and operation.row.method == "DELETE"
    return deletes and command.redelivered and fault.code is Code.NOT_FOUND


def _deleted(operation: Operation[Any]) -> Reply:
    """Return the reply to a deletion whose first run may have had the effect."""
    return Reply(200, msgspec.json.encode(Deletion(subject(operation) or "", True)))


def _failed(command: Command, fault: Fault, call: Call | None = None) -> End:
    """Return the end of a failed command; the result is `unknown` after its deadline."""
    is_unknown = fault.code is Code.DEADLINE_EXCEEDED
    return End(
        outcomes.identity(command.message),
        reply_of(fault),
        Result.UNKNOWN if is_unknown else Result.FAILED,
        Cause(fault.code, fault.message),
        before=call.before if call else None,
        after=call.after if call else None,
    )
