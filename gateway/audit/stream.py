"""The audit stream by position: its bounds, the position of a time, and ranges."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import newest_message, offset, read_stream
from contracts.wire import Message

BATCH = 250
"""The maximal number of messages in a batch. A record is usually 1 to 3 kB, and at most 4 MB."""

LATE = timedelta(minutes=10)
"""A record arrives at the broker at most this long after its time: for instance after an outage."""

AHEAD = timedelta(minutes=1)
"""The clock of the author of a record is at most this long ahead of the broker's clock."""


class Range(Struct, frozen=True):
    """Positions from `start` up to, but not including, `end`."""

    start: int
    end: int


async def range_of(
    connection: Connection, since: datetime | None = None, until: datetime | None = None
) -> Range:
    """Return a range that contains all records of a time; raises NotDeclared and Refused."""
    newest = await newest_message(connection)
    if newest is None or (since and _is_before(newest, since - AHEAD)):
        return Range(0, 0)
    end = offset(newest) + 1
    start = await _position(connection, since - AHEAD) if since else await _first(connection)
    if until and not _is_before(newest, until + LATE):
        end = await _position(connection, until + LATE)
    return Range(min(start, end), end)


async def read_range(
    connection: Connection, within: Range, addresses: Sequence[str] = ()
) -> AsyncGenerator[list[Message], None]:
    """Yield the messages of a range in batches; raises ConnectionLost.

    With `addresses`, the broker may leave out records of other addresses.
    """
    if within.start >= within.end:
        return
    async with read_stream(connection, within.start, BATCH, addresses) as audit:
        while True:
            messages, is_end = await audit.read()
            yield [each for each in messages if offset(each) < within.end]
            if is_end or (messages and offset(messages[-1]) >= within.end - 1):
                return


async def _first(connection: Connection) -> int:
    async with read_stream(connection, "first", 1) as audit:
        messages, _ = await audit.read()
    return offset(messages[0]) if messages else 0


async def _position(connection: Connection, moment: datetime) -> int:
    """Return the position of the first chunk that arrived at this time or later."""
    async with read_stream(connection, moment, 1) as audit:
        messages, _ = await audit.read()
    return offset(messages[0]) if messages else 0


def _is_before(message: Message, moment: datetime) -> bool:
    return message.timestamp is not None and message.timestamp < moment.timestamp()
