"""Searches the audit from its newest record back, and finds all records of one command."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta

from msgspec import Struct

from contracts.broker.connection import Connection
from contracts.command_ids import time_in
from contracts.outcomes import Outcome, Result
from contracts.wire import Message
from gateway.audit.entries import Entry, NewestFirst, entry
from gateway.audit.filters import Filters, time_of
from gateway.audit.stream import AHEAD, Range, range_of, read_range

FIRST_WINDOW = 200
LARGEST_WINDOW = 4000
WINDOW_BYTES = 64 * 1024 * 1024
"""A window is read forwards, and its matching records are kept until it is complete."""

LONGEST = timedelta(minutes=30)
"""The longest time from the publish of a command to its final record: it waits in a partition for
at most 10 minutes, it is executed, and the record is published after the broker's outages."""

Progress = Callable[[int, int], None]


Readable = Callable[[Message], bool]
"""Tells whether the reader may know of a record."""


def _ignore(done: int, total: int) -> None: ...


def _all(message: Message) -> bool:
    return True


class Found(Struct, frozen=True):
    """The commands found, newest first, and the number of records that were read of all."""

    commands: list[Outcome]
    read: int
    total: int


async def newest(
    connection: Connection,
    filters: Filters,
    number: int,
    progress: Progress = _ignore,
    *,
    readable: Readable = _all,
    most: int | None = None,
) -> Found:
    """Return the newest commands that meet the conditions, with their requests.

    The search reads from the end of the stream back, in windows, and stops when it has found
    enough, or has read about `most` records. Raises NotDeclared, Refused and ConnectionLost.
    """
    within = await range_of(connection, filters.since, filters.until)
    total, read = within.end - within.start, 0
    found = NewestFirst(filters, number)
    keep = _both(readable, filters.may_match)
    async with aclosing(_windows(connection, within, keep)) as windows:
        async for messages, count, oldest in windows:
            for message in reversed(messages):
                found.add(message)
            read += count
            progress(read, total)
            needed = found.incomplete_since()
            if found.is_full and (needed is None or oldest < needed - AHEAD.total_seconds()):
                break
            if most is not None and read >= most:
                break
    return Found(found.commands(), read, total)


async def records_of(
    connection: Connection,
    command_id: str,
    progress: Progress = _ignore,
    *,
    readable: Readable = _all,
    most: int | None = None,
) -> list[Entry]:
    """Return the records of the command with this id, or whose id begins so, in their order.

    If the id contains its time, the records from that time on are read, else the records from the
    newest one back, about `most` of them. Raises NotDeclared, Refused and ConnectionLost.
    """
    keep = _both(readable, Filters(id=command_id).may_match)
    asked = time_in(command_id)
    if asked is not None:
        within = await range_of(connection, asked - AHEAD, asked + LONGEST)
        if found := await _forwards(connection, within, keep, progress):
            return found
    within = await range_of(connection)
    total, read = within.end - within.start, 0
    records: list[Entry] = []
    async with aclosing(_windows(connection, within, keep)) as windows:
        async for messages, count, oldest in windows:
            records[:0] = [each for each in map(entry, messages) if each]
            read += count
            progress(read, total)
            begins = [_begin(each.outcome) for each in records]
            if begins and oldest < min(begins) - AHEAD.total_seconds():
                break
            if most is not None and read >= most:
                break
    return records


async def _forwards(
    connection: Connection, within: Range, keep: Readable, progress: Progress
) -> list[Entry]:
    """Return the records of a command; stop some seconds after its final one."""
    records: list[Entry] = []
    read = 0
    async with aclosing(read_range(connection, within)) as batches:
        async for batch in batches:
            records += [each for each in map(entry, filter(keep, batch)) if each]
            read += len(batch)
            progress(read, within.end - within.start)
            ends = [time_of(each.outcome) for each in records if _is_final(each.outcome)]
            latest = batch[-1].timestamp if batch else None
            if ends and latest and latest > max(ends).timestamp() + AHEAD.total_seconds():
                break
    return records


async def _windows(
    connection: Connection, within: Range, keep: Callable[[Message], bool]
) -> AsyncGenerator[tuple[list[Message], int, float], None]:
    """Yield the windows of a range from its end back, each in the order of the stream.

    A window is its messages to keep, the number of all its messages, and the time of the oldest.
    """
    end, size = within.end, FIRST_WINDOW
    while end > within.start:
        start = max(within.start, end - size)
        kept: list[Message] = []
        oldest, octets = float("inf"), 0
        async with aclosing(read_range(connection, Range(start, end))) as batches:
            async for batch in batches:
                kept += filter(keep, batch)
                oldest = min([oldest, *(each.timestamp or oldest for each in batch)])
                octets += sum(len(each.body) for each in batch)
        yield kept, end - start, oldest
        average = max(1, octets // (end - start))
        end, size = start, max(1, min(2 * size, LARGEST_WINDOW, WINDOW_BYTES // average))


def _both(readable: Readable, matches: Readable) -> Readable:
    return lambda message: matches(message) and readable(message)


def _begin(outcome: Outcome) -> float:
    """Return the time before which a command has no records."""
    return (outcome.started or outcome.asked or time_of(outcome)).timestamp()


def _is_final(outcome: Outcome) -> bool:
    return outcome.result is not Result.STARTED
