"""Searches the audit from its newest record back, and finds all records of one command."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta

from msgspec import Struct

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import offset
from contracts.outcomes import Outcome, Result
from contracts.records.command_ids import time_in
from contracts.wire import Message
from gateway.audit.commands import Command, Commands
from gateway.audit.entries import Entry, NewestFirst, entry
from gateway.audit.filters import Filters, time_of
from gateway.audit.stream import AHEAD, Range, range_of, read_range

FIRST_WINDOW = 200
LARGEST_WINDOW = 4000
"""In messages that the broker sends."""
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


class Window:
    """A part of the stream."""

    def __init__(self, start: int) -> None:
        """`start` is its first position."""
        self.start = start
        self.matching: list[Message] = []
        self.read = 0
        self.octets = 0
        self.oldest = float("inf")
        """The time of its oldest message, in seconds."""

    def add(self, batch: list[Message], keep: Readable) -> None:
        """Add messages, in the order of the stream."""
        self.matching += filter(keep, batch)
        self.read += len(batch)
        self.octets += sum(len(each.body) for each in batch)
        self.oldest = min([self.oldest, *(each.timestamp or self.oldest for each in batch)])


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
    found, oldest = NewestFirst(filters, number), float("inf")
    keep = _both(readable, filters.may_match)
    async with aclosing(_windows(connection, within, keep, filters.addresses())) as windows:
        async for window in windows:
            for message in reversed(window.matching):
                found.add(message)
            read += window.read
            progress(within.end - window.start, total)
            oldest = min(oldest, window.oldest)
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
    records: list[Entry] = []
    read = 0
    async with aclosing(_windows(connection, within, keep)) as windows:
        async for window in windows:
            records[:0] = [each for each in map(entry, window.matching) if each]
            read += window.read
            progress(within.end - window.start, within.end - within.start)
            begins = [_begin(each.outcome) for each in records]
            if begins and window.oldest < min(begins) - AHEAD.total_seconds():
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
    connection: Connection, within: Range, keep: Readable, addresses: Sequence[str] = ()
) -> AsyncGenerator[Window, None]:
    """Yield the windows of a range from its end back.

    The next window is twice as long, but not so long that it would have more messages or bytes than
    the limits, by the numbers of this one. The broker may leave out most messages.
    """
    end, size = within.end, FIRST_WINDOW
    while end > within.start:
        window = Window(max(within.start, end - size))
        async with aclosing(read_range(connection, Range(window.start, end), addresses)) as batches:
            async for batch in batches:
                window.add(batch, keep)
        yield window
        fits = min(LARGEST_WINDOW / (window.read or 1), WINDOW_BYTES / (window.octets or 1))
        end, size = window.start, max(1, int(size * min(2, fits)))


def _both(readable: Readable, matches: Readable) -> Readable:
    return lambda message: matches(message) and readable(message)


def _begin(outcome: Outcome) -> float:
    """Return the time before which a command has no records."""
    return (outcome.started or outcome.asked or time_of(outcome)).timestamp()


def _is_final(outcome: Outcome) -> bool:
    return outcome.result is not Result.STARTED


async def read_commands(
    connection: Connection,
    within: Range,
    filters: Filters,
    add: Callable[[Command], object],
    progress: Progress = _ignore,
) -> None:
    """Add the commands of a range that meet the conditions, in the order in which they ended.

    Commands that did not end come last. Raises ConnectionLost.
    """
    commands = Commands(filters)
    async with aclosing(read_range(connection, within, filters.addresses())) as batches:
        async for batch in batches:
            for message in batch:
                if (command := commands.add(message)) is not None:
                    add(command)
            if batch:
                progress(offset(batch[-1]) + 1 - within.start, within.end - within.start)
    for command in commands.unfinished():
        add(command)


async def range_with_requests(connection: Connection, filters: Filters) -> Range:
    """Return a range with all records of the commands of a time; raises as `range_of`."""
    since = filters.since and filters.since - LONGEST
    return await range_of(connection, since, filters.until)
