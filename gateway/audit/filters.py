"""Filters of commands; what a routing key and the properties tell is compared before decoding."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from msgspec import Struct

from contracts.address import word
from contracts.api import OPERATIONS
from contracts.outcomes import Outcome, Result
from contracts.wire import Message

COLLECTIONS = tuple(dict.fromkeys(each.row.collection for each in OPERATIONS.values()))


class Filters(Struct, frozen=True, kw_only=True):
    """Conditions that a command meets; all are optional, and each may be a pattern with `*`.

    The time of a command is that of its newest record. `scope` and `name` are compared with the
    words of the address, `by` with the requester and with the broker user. `id` is an id or the
    first digits of one.
    """

    since: datetime | None = None
    until: datetime | None = None
    results: frozenset[Result] = frozenset()
    operation: str | None = None
    provider: str | None = None
    scope: str | None = None
    name: str | None = None
    by: str | None = None
    id: str | None = None

    def may_match(self, message: Message) -> bool:
        """Tell whether an audit record may be one of a command that meets the conditions."""
        if self.id is not None and not (message.correlation_id or "").startswith(self.id):
            return False
        if self.provider is None and self.scope is None and self.name is None:
            return True
        _, provider, _, scope, name, *_ = f"{message.key}....".split(".")
        return (
            _matches(self.provider, provider)
            and _matches(_word(self.scope), scope)
            and _matches(_word(self.name), name)
        )

    def addresses(self) -> list[str]:
        """Return all addresses that a matching command can have, none if these are not known."""
        if self.scope is None or self.name is None or "*" in self.scope + self.name:
            return []
        return [f"{each}.{word(self.scope)}.{word(self.name)}" for each in COLLECTIONS]

    def match(self, outcome: Outcome) -> bool:
        """Tell whether the command whose newest record this is meets the conditions."""
        moment = time_of(outcome)
        return (
            not (self.results and outcome.result not in self.results)
            and not (self.since and moment < self.since)
            and not (self.until and moment > self.until)
            and _matches(self.operation, outcome.operation)
            and (
                _matches(self.by, outcome.requested_by or "")
                or _matches(self.by, outcome.user or "")
            )
        )


def time_of(outcome: Outcome) -> datetime:
    """Return the time of a record: of the end, else of the start, else of the request."""
    moment = outcome.finished or outcome.started or outcome.asked
    return moment or datetime.fromtimestamp(0, UTC)


def _matches(pattern: str | None, text: str) -> bool:
    return pattern is None or pattern == text or ("*" in pattern and fnmatchcase(text, pattern))


def _word(name: str | None) -> str | None:
    """Return a name as a word of an address; a pattern is compared with the word itself."""
    return name if name is None or "*" in name else word(name)
