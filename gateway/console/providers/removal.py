"""The removal of a provider's queues, without the loss of a command."""

import asyncio
from collections.abc import Callable

import msgspec

from contracts import VERSION, outcomes, topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared
from contracts.broker.queue_reader import read_queue
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.records import dead_letters
from contracts.records.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.topology import ATTENDANCE
from contracts.wire import HEADER_TRACEPARENT, Message
from gateway.console.attending import listen
from gateway.console.failures import Failure

APP = f"console/{VERSION}"

SETTLE_S = 2.0
"""The wait after the bindings are removed: an expired command leaves its partition at once, but is
safe only when the broker has moved it to machinist.ended.
"""

PREFETCH = 100
SILENCE_S = 1.0


async def counts(connection: Connection, provider: str) -> dict[str, tuple[int, int]]:
    """Return the counts of messages and consumers by existing queue of a provider."""
    found = {}
    for queue in topology.of_provider(provider).queues:
        async with connection.passing_channel() as channel:
            try:
                found[queue.name] = await channel.counts(queue.name)
            except NotDeclared:
                continue
    return found


async def require_removable(connection: Connection, provider: str, *, force: bool) -> int:
    """Return the number of queues; raise Failure if the provider has a worker, or no queues.

    Without `force`, commands that wait are a Failure too.
    """
    attendance = await listen(connection, [provider])
    workers = [each.worker for each in attendance.workers(provider)]
    if workers:
        raise Failure(f"{provider} has the workers {', '.join(workers)}: stop them first")
    found = await counts(connection, provider)
    if not found:
        raise Failure(f"{provider} has no queues")
    consumed = [f"{queue} has {each[1]}" for queue, each in found.items() if each[1]]
    if consumed:
        raise Failure(f"queues have consumers, {'; '.join(consumed)}: stop the workers first")
    if not force:
        _require_empty(found)
    return len(found)


async def remove(
    connection: Connection,
    provider: str,
    seals: Seals,
    show: Callable[[int, int], None],
    *,
    force: bool,
) -> int:
    """Delete the queues of a provider; return the number of commands that became dead letters.

    The bindings are removed first, so that no command is published to a queue that is about to be
    deleted: producers get it back as unroutable. Without `force`, a command that arrived before is
    a Failure, and the bindings are restored.
    """
    whole = topology.of_provider(provider)
    async with connection.passing_channel() as channel:
        for each in whole.bindings:
            await channel.unbind(each.source, each.destination, each.key)
    await asyncio.sleep(SETTLE_S)
    found = await counts(connection, provider)
    try:
        if not force:
            _require_empty(found)
    except Failure:
        async with connection.passing_channel() as channel:
            for each in whole.bindings:
                await channel.bind(each.source, each.destination, each.key, to_exchange=False)
        raise
    dead = 0
    for number, (queue, (waiting, _)) in enumerate(found.items()):
        show(number, len(found))
        if waiting and queue != topology.queries_queue(provider):
            dead += await _dead_letter_all(connection, provider, queue, seals)
        async with connection.passing_channel() as channel:
            await channel.delete_queue(queue)
    return dead


def _require_empty(found: dict[str, tuple[int, int]]) -> None:
    waiting = [f"{queue} has {each[0]:,}" for queue, each in found.items() if each[0]]
    if waiting:
        raise Failure(
            f"messages wait, {'; '.join(waiting)}: they expire within "
            f"{topology.PARTITION_TTL_MS // topology.MINUTE_MS} minutes, or --force makes the "
            "commands dead letters"
        )


async def _dead_letter_all(connection: Connection, provider: str, queue: str, seals: Seals) -> int:
    """Make the commands of a partition dead letters, with their outcomes; return their number.

    Each is published and confirmed before it is acknowledged.
    """
    number = 0
    async with (
        connection.passing_channel() as letters,
        connection.passing_channel() as records,
        read_queue(connection, queue, prefetch=PREFETCH) as reader,
    ):
        while (delivery := await reader.next(SILENCE_S)) is not None:
            if delivery.message.type != ATTENDANCE:
                messages = _end(delivery, provider, queue, seals)
                for channel, message in zip((letters, records), messages, strict=True):
                    await _publish(channel, message, connection.user)
                number += 1
            await reader.ack_one(delivery)
    return number


async def _publish(channel: Channel, message: Message, user: str | None) -> None:
    await channel.publish(msgspec.structs.replace(message, user_id=user), mandatory=True)


def _end(delivery: Delivery, provider: str, queue: str, seals: Seals) -> tuple[Message, Message]:
    """Return the dead letter and the outcome of a command that waited in a removed partition."""
    command = delivery.message
    words = f"the provider {provider} was removed while the command waited; it was not run"
    fault = Fault(Code.PROVIDER_UNATTENDED, words)
    if delivery.redelivered:
        fault = Fault(Code.PLATFORM_FAILED, f"{words}, but may have been started before")
    outcome = outcomes.outcome_of(
        command,
        provider,
        Result.DEAD,
        request=request_of(command, operation_in(command, seals), seals),
        finished=outcomes.now(),
        **outcomes.failure(fault),
    )
    return (
        dead_letters.dead_letter(command, fault.message, queue, APP),
        outcomes.message_of(outcome, APP, command.headers.get(HEADER_TRACEPARENT)),
    )
