"""`machinist queues`: the queues of the topology, their messages, consumers and owners."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

import click
import msgspec

from contracts import outcomes, topology
from contracts.broker.attendance import Announcement
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared
from contracts.broker.stream_reader import newest_message, offset, read_stream
from contracts.wire import Message
from gateway.console.attending import listen
from gateway.console.broker import environment, on_broker
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json, print_table, utc
from gateway.console.terminal.values import Provider
from gateway.settings import provider_names

HEADER = ("QUEUE", "READY", "CONSUMERS", "OWNER")
COLOURS = {"missing": "red"}

Workers = Mapping[str, Sequence[Announcement]]
"""The workers of each provider."""


class State(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """The state of a queue; of the audit stream also the positions and times of its records."""

    queue: str
    missing: bool = False
    ready: int | None = None
    consumers: int | None = None
    owner: str | None = None
    first: int | None = None
    newest: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@console_command("queues", example="queues --provider k8s")
@click.option(
    "--provider",
    "names",
    type=Provider(),
    metavar="NAME",
    multiple=True,
    help="Only this provider, also without workers; may be repeated.",
)
@json_option
def command(names: tuple[str, ...], as_json: bool) -> int:
    """List the queues: messages that are ready, consumers, and the worker that owns a partition.

    The queues that all providers share are always listed. Messages that a worker holds are not
    counted. The command listens to the announcements of workers for some seconds; queues of
    providers without workers are listed if --provider or PLT_PROVIDERS names them. The exit status
    is 1 if a queue is missing.
    """
    found: list[State] = []
    complaints: list[str] = []

    async def look(connection: Connection) -> None:
        found.clear()
        complaints.clear()
        expected = [*names, *provider_names(environment().providers)]
        attendance = await listen(connection, expected)
        workers = {each: attendance.workers(each) for each in names or attendance.providers()}
        found.extend(await _states(connection, workers))
        complaints.extend(_complaints(workers))

    on_broker("queues", look)
    if as_json:
        for each in found:
            print_json(each)
    else:
        print_table(HEADER, [_row(each) for each in found], (3,), COLOURS)
        for each in found:
            if each.first is not None and each.newest is not None:
                note(
                    f"{each.queue}: records {each.first:,} to {each.newest:,}, "
                    f"{utc(each.since)} to {utc(each.until)}"
                )
    for complaint in complaints:
        note(complaint)
    return 1 if complaints or any(each.missing for each in found) else 0


async def _states(connection: Connection, workers: Workers) -> list[State]:
    states = [await _state(connection, queue.name) for queue in topology.common().queues]
    for each in states:
        if each.queue == topology.AUDIT and not each.missing:
            await _add_positions(connection, each)
    for provider, of_provider in workers.items():
        owners = _owners(provider, of_provider)
        for queue in topology.of_provider(provider).queues:
            state = await _state(connection, queue.name)
            state.owner = owners.get(queue.name)
            states.append(state)
    return states


async def _state(connection: Connection, queue: str) -> State:
    async with connection.passing_channel() as channel:
        try:
            ready, consumers = await channel.counts(queue)
        except NotDeclared:
            return State(queue=queue, missing=True)
    return State(queue=queue, ready=ready, consumers=consumers)


async def _add_positions(connection: Connection, audit: State) -> None:
    """Add the positions of the stream; the broker's count of its messages is seconds late."""
    async with read_stream(connection, "first", 1) as stream:
        messages, _ = await stream.read()
    newest = await newest_message(connection)
    if not messages or newest is None:
        return
    audit.first, audit.newest = offset(messages[0]), offset(newest)
    audit.ready = audit.newest - audit.first + 1
    audit.since, audit.until = _time(messages[0]), _time(newest)


def _owners(provider: str, workers: Sequence[Announcement]) -> dict[str, str]:
    return {
        topology.partition_queue(provider, slot): worker.worker
        for worker in workers
        for slot in worker.partitions
    }


def _complaints(workers: Workers) -> list[str]:
    """Return the complaints of workers about queues and exchanges, without repeats."""
    every = chain.from_iterable(workers.values())
    return list(dict.fromkeys(missing for worker in every for missing in worker.missing))


def _time(message: Message) -> datetime | None:
    return None if message.timestamp is None else outcomes.at(message.timestamp)


def _row(state: State) -> tuple[str, ...]:
    if state.missing:
        return (state.queue, "missing", "-", "-")
    return (state.queue, f"{state.ready:,}", str(state.consumers), state.owner or "-")
