"""The latest outcomes: one reader of the audit's end for all viewers of a gateway's page."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from msgspec import Struct

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import newest_message, offset, read_stream
from contracts.records.results import Result
from contracts.wire import Message
from gateway.audit.entries import entry
from gateway.page.rates import Rates
from gateway.page.rows import Row, row_of

KEPT = 2_000
"""The records that are kept, and read when the first viewer comes: 2 MB, 0.3 s of CPU time."""

BATCH = 100
MOST_ROWS = 60
"""The rows of one batch: a person reads fewer, and a browser draws them in some milliseconds."""

RUNNING_S = 15 * 60
"""A command without a final record for longer has lost it, or its clock is wrong."""

Visible = Callable[[Row], bool]


class Batch(Struct, frozen=True, rename="camel"):
    """Rows, oldest first, with the number of those that were left out, by result.

    `gap` is the number of records that were not read: they are in the audit.
    """

    until: int
    rows: list[Row]
    left_out: dict[Result, int]
    gap: int = 0


class Feed:
    """The newest records, the commands that run, and the rates of the last minute."""

    def __init__(self, now: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        """`now` returns seconds of the Unix epoch; `kept` is the number of records in memory."""
        self._now = now
        self._kept = kept
        self._rows: deque[Row] = deque(maxlen=kept)
        self._running: OrderedDict[tuple[str, str], Row] = OrderedDict()
        self._next: int | None = None
        self.rates = Rates(now)
        self.is_current = False
        """True once all records that existed when the reading began were read."""

    @property
    def newest(self) -> int:
        """The position of the newest record that was read, -1 before the first one."""
        return -1 if self._next is None else self._next - 1

    async def run(self, connection: Connection) -> None:
        """Read records until the connection is lost, from the last position on.

        After a long pause the reading begins KEPT records before the end.
        """
        self.is_current = False
        newest = await newest_message(connection)
        end = 0 if newest is None else offset(newest) + 1
        begin = max(0, end - self._kept)
        if self._next is None or not begin <= self._next <= end:
            self._rows.clear()
            self._running.clear()
            self._next = begin
        async with read_stream(connection, self._next, BATCH) as audit:
            while True:
                messages, is_end = await audit.read()
                for message in messages:
                    self.add(message)
                if is_end:
                    self.is_current = True
                    await audit.wait()

    def add(self, message: Message) -> None:
        """Take the next record of the stream."""
        self._next = offset(message) + 1
        found = entry(message)
        if found is None:
            return
        outcome = found.outcome
        key = (outcome.provider, outcome.id)
        row = row_of(found.offset, outcome, self._running.get(key))
        self._rows.append(row)
        if row.is_final:
            self._running.pop(key, None)
            self.rates.add(row)
        elif key not in self._running:
            self._running[key] = row
            if len(self._running) > self._kept:
                self._running.popitem(last=False)

    def running(self, visible: Visible, most: int) -> list[Row]:
        """Return the commands that have run longest and have no final record."""
        oldest = (self._now() - RUNNING_S) * 1000
        rows = (row for row in self._running.values() if row.at >= oldest and visible(row))
        return sorted(rows, key=lambda row: row.at)[:most]

    def batch(self, after: int | None, visible: Visible, most: int = MOST_ROWS) -> Batch | None:
        """Return the visible rows after a position, None if there is none; of a command the last.

        Without a position they are the newest ones, and none counts as left out.
        """
        is_first = after is None or after > self.newest
        last: dict[tuple[str, str], Row] = {}
        for row in reversed(self._rows):
            if not is_first and after is not None and row.offset <= after:
                break
            last.setdefault((row.provider, row.id), row)
        rows = [row for row in last.values() if visible(row)]
        gap = 0 if is_first or after is None else self._missing_after(after)
        if not rows and not gap:
            return None
        left_out = Counter(row.result for row in rows[most:])
        shown = rows[:most][::-1]
        return Batch(self.newest, shown, {} if is_first else dict(left_out), gap)

    def _missing_after(self, after: int) -> int:
        """Return the number of records after a position that are no longer in memory."""
        return max(0, self._rows[0].offset - after - 1) if self._rows else 0
