"""Commands from the records of the audit, in the order in which they ended; no I/O."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, structs

from contracts.api import OPERATIONS
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from contracts.wire import Message
from gateway.audit.entries import REMEMBERED, Entry, Key, entry
from gateway.audit.filters import Filters


class Requested(Struct, frozen=True, kw_only=True):
    """The request of a command: the position of its record, and its target.

    `is_kept` is false for a request without a body. `scope` and `name` are those of the body, None
    if the body is sealed.
    """

    offset: int
    is_kept: bool
    replay_of: str | None = None
    scope: str | None = None
    name: str | None = None


class Command(Struct, frozen=True, kw_only=True):
    """A command with its result: the first final record, else the record `started`.

    `position` is that of the first record. The outcome has no request: a million commands are read.
    """

    position: int
    outcome: Outcome
    was_started: bool
    requested: Requested | None = None


class Commands:
    """The commands that meet the conditions, from all records of a range in their order."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self._begun: dict[Key, Command] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def add(self, message: Message) -> Command | None:
        """Add a record; return the command that it ended."""
        if not self._filters.may_match(message):
            return None
        record = entry(message)
        if record is None:
            return None
        key = (record.outcome.provider, message.correlation_id or "")
        if hash(key) in self._ended:
            return None
        command = _command(record)
        begun = self._begun.get(key)
        if record.outcome.result is Result.STARTED:
            self._begun.setdefault(key, command)
            return None
        self._end(key)
        if begun is not None:
            command = structs.replace(
                begun, outcome=command.outcome, requested=begun.requested or command.requested
            )
        return command if self._filters.match(command.outcome) else None

    def unfinished(self) -> Iterator[Command]:
        """Return the commands without a final record."""
        return (each for each in self._begun.values() if self._filters.match(each.outcome))

    def _end(self, key: Key) -> None:
        """Remember that a command has ended: after a crash it may have a second final record."""
        self._begun.pop(key, None)
        self._ended[hash(key)] = None
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)


def _command(record: Entry) -> Command:
    outcome = record.outcome
    request = outcome.request
    return Command(
        position=record.offset,
        outcome=structs.replace(outcome, request=None),
        was_started=outcome.result is Result.STARTED,
        requested=None if request is None else _requested(record.offset, outcome, request),
    )


def _requested(offset: int, outcome: Outcome, request: Request) -> Requested:
    operation = OPERATIONS.get(outcome.operation)
    subject = operation.row.subject if operation else None
    return Requested(
        offset=offset,
        is_kept=request.body is not None or request.sealed is not None,
        replay_of=request.replay_of,
        scope=_text(request.body, "scope"),
        name=_text(request.body, subject) if subject else None,
    )


def _text(body: Any, path: str) -> str | None:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, str) else None
