"""Reads the audit from the end of the last export to its newest record, into an output."""

from collections.abc import Callable
from contextlib import aclosing

import msgspec

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import offset
from contracts.wire import Message
from gateway.audit.entries import entry
from gateway.audit.stream import Range, range_of, read_range
from gateway.console.audit.export.outputs import Output
from gateway.console.audit.export.state import State, another_stream, record_of

PART_BYTES = 32 * 1024 * 1024
"""The maximal size of the records between two checkpoints, which are in memory for Parquet."""

READ = 100_000
"""The records that are read between two checkpoints if few of them meet the conditions."""


class Export:
    """An export, also over several connections."""

    def __init__(
        self,
        state: State,
        output: Output,
        part: int,
        save: Callable[[State], None],
        progress: Callable[[int, int], None],
    ) -> None:
        """After `part` records, commit the output and `save` the state."""
        self.state = state
        self.read = 0
        self.exported = 0
        self.undecoded = 0
        self._output = output
        self._part = part
        self._save = save
        self._progress = progress
        self._next = state.next
        self._last: Message | None = None
        self._uncommitted = _Amount()

    async def run(self, connection: Connection) -> None:
        """Export up to the record that is the newest one now; continue after a lost connection.

        Raises Failure for another stream, NotDeclared, Refused and ConnectionLost.
        """
        within = await self._remaining(connection)
        total = self.read + within.end - (self._next or within.start)
        async with aclosing(read_range(connection, within)) as batches:
            async for batch in batches:
                await self._note_missing(connection, batch)
                for message in batch:
                    self._take(message)
                    if self._is_part_complete():
                        self._commit()
                self._progress(self.read, total)
        self._commit()

    def reported(self) -> None:
        """Save that the user was told of missing records."""
        if self.state.missing:
            self.state = msgspec.structs.replace(self.state, missing=0)
            self._save(self.state)

    async def _remaining(self, connection: Connection) -> Range:
        """Return the records to read: from the last one that was read, to compare it."""
        filters = self.state.filters
        if self._next is None:
            return await range_of(connection, filters.since, filters.until)
        stream = await range_of(connection)
        if self._next > stream.end:
            raise another_stream(f"it ends before the offset {self._next}")
        within = await range_of(connection, until=filters.until) if filters.until else stream
        return Range(self._next - 1, within.end)

    async def _note_missing(self, connection: Connection, batch: list[Message]) -> None:
        """Count the offsets before a message whose records the stream has removed.

        The broker itself uses an offset without a record at the start of each segment.
        """
        expected, gaps = self._next, []
        for position in map(offset, batch):
            if expected is not None and position > expected:
                gaps.append(Range(expected, position))
            expected = position + 1
        if gaps:
            first = (await range_of(connection)).start
            missing = sum(gap.end - gap.start for gap in gaps if gap.start < first)
            self.state = msgspec.structs.replace(self.state, missing=self.state.missing + missing)

    def _take(self, message: Message) -> None:
        """Export a record if it meets the conditions; raises Failure for another stream."""
        position = offset(message)
        if self._next is not None and position < self._next:
            last = self.state.last if self._last is None else record_of(self._last)
            if position == self._next - 1 and record_of(message) != last:
                raise another_stream(f"it has another record at the offset {position}")
            return
        self._next, self._last = position + 1, message
        self.read += 1
        self._uncommitted.read += 1
        filters = self.state.filters
        if not filters.may_match(message):
            return
        found = entry(message)
        if found is not None and not filters.match(found.outcome):
            return
        self._output.add(message, found)
        self.exported += 1
        self.undecoded += found is None
        self._uncommitted.exported += 1
        self._uncommitted.bytes += len(message.body)

    def _is_part_complete(self) -> bool:
        pending = self._uncommitted
        return pending.exported >= self._part or pending.bytes >= PART_BYTES or pending.read >= READ

    def _commit(self) -> None:
        if self._last is None:
            return
        self.state = msgspec.structs.replace(
            self.state,
            next=self._next,
            last=record_of(self._last),
            size=self._output.commit(),
            exported=self.state.exported + self._uncommitted.exported,
        )
        self._save(self.state)
        self._uncommitted = _Amount()


class _Amount(msgspec.Struct):
    """The records that were read since the last commit."""

    read: int = 0
    exported: int = 0
    bytes: int = 0
