"""Records of the audit, and the commands that they are about; no I/O."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from contracts import outcomes
from contracts.broker.stream_reader import offset
from contracts.outcomes import Outcome, Result
from contracts.wire import HEADER_TRACEPARENT, Message
from gateway.audit.filters import Filters

Key = tuple[str, str]

REMEMBERED = 100_000
"""The number of commands whose newest record is remembered; a command lasts some minutes."""


class Entry(msgspec.Struct, frozen=True):
    """A record, with its position in the stream and its trace."""

    offset: int
    outcome: Outcome
    traceparent: str | None = None


def entry(message: Message) -> Entry | None:
    """Return the record in an audit message, None if it cannot be decoded."""
    try:
        outcome = outcomes.read(message)
    except msgspec.DecodeError:
        return None
    traceparent = message.headers.get(HEADER_TRACEPARENT)
    return Entry(offset(message), outcome, traceparent if isinstance(traceparent, str) else None)


def merged(records: Iterable[Outcome]) -> Outcome:
    """Return one record of a command from all its records: the first final one, with the request.

    `records` are in the order of the stream, and at least one.
    """
    known = list(records)
    final = next((each for each in known if each.result is not Result.STARTED), known[-1])
    request = next((each.request for each in known if each.request is not None), None)
    return msgspec.structs.replace(final, request=request)


class NewestFirst:
    """The newest commands that meet the conditions, from records in the opposite order."""

    def __init__(self, filters: Filters, number: int) -> None:
        """`number` is the maximal number of commands."""
        self._filters = filters
        self._number = number
        self._found: dict[Key, list[Outcome]] = {}
        self._passed: OrderedDict[int, None] = OrderedDict()

    def add(self, message: Message) -> None:
        """Add the record before those that were added."""
        provider = message.key.partition(".")[2].partition(".")[0]
        key = (provider, message.correlation_id or "")
        if key in self._found:
            if earlier := entry(message):
                self._found[key].insert(0, earlier.outcome)
        elif hash(key) not in self._passed:
            self._add_newest(key, message)

    def _add_newest(self, key: Key, message: Message) -> None:
        """Add the newest record of a command, which decides whether the command matches."""
        self._passed[hash(key)] = None
        if len(self._passed) > REMEMBERED:
            self._passed.popitem(last=False)
        if len(self._found) < self._number and self._may_have_result(message):
            newest = entry(message)
            if newest and self._filters.match(newest.outcome):
                self._found[key] = [newest.outcome]

    def _may_have_result(self, message: Message) -> bool:
        results = self._filters.results
        return not results or message.key.partition(".")[0] in results

    @property
    def is_full(self) -> bool:
        """True if the maximal number of commands was found."""
        return len(self._found) >= self._number

    def incomplete_since(self) -> float | None:
        """Return the earliest start, in seconds, of the commands whose start was not yet added."""
        starts = [
            records[0].started.timestamp()
            for records in self._found.values()
            if records[0].started and all(each.request is None for each in records)
        ]
        return min(starts, default=None)

    def commands(self) -> list[Outcome]:
        """Return the commands, newest first."""
        return [merged(records) for records in self._found.values()]
