"""Search of the page in the recent audit, and the story of one command."""

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from contracts.api import OPERATIONS
from contracts.broker.errors import BrokerError
from contracts.faults import Code, Fault
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from contracts.wire import Message
from gateway.audit import search
from gateway.audit.entries import Entry, merged
from gateway.audit.filters import Filters
from gateway.audit.text import changes_of, reason, requester
from gateway.page.page import Page
from gateway.page.rows import Row, row_of
from gateway.page.viewer import Viewer

MOST_RECORDS = 50_000
"""The records that one search reads: some seconds of CPU time, between the gateway's requests."""

SEARCH_S = 20.0
OPEN = "may hold secrets, because it was not sealed: `machinist audit show` prints it"
SEALED = "sealed: `machinist audit show --unseal` prints it"

Time = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(max_length=256)]


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conditions of a search; in texts `*` means any characters."""

    since: Time | None = None
    until: Time | None = None
    result: list[Result] = []
    operation: Text | None = None
    provider: Text | None = None
    scope: Text | None = None
    name: Text | None = None
    by: Text | None = None
    id: Text | None = None
    number: Annotated[int, Meta(ge=1, le=200)] = 50

    def filters(self) -> Filters:
        """Return the conditions for the audit."""
        names = ("since", "until", "operation", "provider", "scope", "name", "by", "id")
        conditions = {name: getattr(self, name) for name in names}
        return Filters(results=frozenset(self.result), **conditions)


class Found(Struct, frozen=True):
    """Rows, newest first, and how many records of the audit were read for them."""

    rows: list[Row]
    read: int
    total: int


class Story(Struct, frozen=True):
    """One command: its records in their order, and what they say together."""

    row: Row
    by: str
    changes: list[str]
    reason: str | None
    records: list[Outcome]
    trace: str | None


class Searches:
    """Searches one after another, so that they never take most of a gateway's time."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._one = asyncio.Lock()

    async def commands(self, viewer: Viewer, query: Query) -> Found:
        """Return the newest commands that the viewer may read and that meet the conditions."""
        filters, number = query.filters(), query.number
        try:
            async with asyncio.timeout(SEARCH_S), self._one, self._page.connected() as connection:
                found = await search.newest(
                    connection,
                    filters,
                    number,
                    readable=readable_by(viewer),
                    most=MOST_RECORDS,
                )
        except (BrokerError, TimeoutError) as error:
            raise _failed(error) from error
        return Found([row_of(0, each) for each in found.commands], found.read, found.total)

    async def story(self, viewer: Viewer, command_id: str) -> Story:
        """Return the story of a command; raises `not_found`, also if the viewer may not read it."""
        try:
            async with asyncio.timeout(SEARCH_S), self._one, self._page.connected() as connection:
                entries = await search.records_of(
                    connection, command_id, readable=readable_by(viewer), most=MOST_RECORDS
                )
        except (BrokerError, TimeoutError) as error:
            raise _failed(error) from error
        return story_of(command_id, entries)


def story_of(command_id: str, entries: list[Entry]) -> Story:
    """Return the story in the records whose id begins with this id."""
    ids = dict.fromkeys((each.outcome.provider, each.outcome.id) for each in entries)
    if len(ids) != 1:
        found = "none" if not ids else ", ".join(identity for _, identity in list(ids)[:10])
        raise Fault(
            Code.NOT_FOUND,
            f"expected the id of one command in the recent audit, or its first digits; "
            f"{command_id[:64]!r} is that of {found}",
        )
    records = [each.outcome for each in entries]
    outcome = merged(records)
    return Story(
        row=row_of(0, outcome),
        by=requester(outcome),
        changes=changes_of(outcome) if outcome.after is not None else [],
        reason=reason(outcome),
        records=[_shown(each) for each in records],
        trace=next((each.traceparent for each in entries if each.traceparent), None),
    )


def _shown(outcome: Outcome) -> Outcome:
    """Return a record without a body that only a reader of the broker may see."""
    request = outcome.request
    if request is None:
        return outcome
    if request.sealed is not None:
        shown: Request = msgspec.structs.replace(request, sealed=None, withheld=SEALED)
    elif request.body is not None and _may_be_sealed(outcome.operation):
        shown = msgspec.structs.replace(request, body=None, withheld=OPEN)
    else:
        return outcome
    return msgspec.structs.replace(outcome, request=shown)


def _may_be_sealed(operation: str) -> bool:
    return operation not in OPERATIONS or OPERATIONS[operation].row.seal


def readable_by(viewer: Viewer) -> search.Readable:
    """Return the condition under which a viewer may read an audit record."""

    def readable(message: Message) -> bool:
        _, provider, address = f"{message.key}..".split(".", 2)
        return viewer.may_read(provider, address)

    return readable


def _failed(error: Exception) -> Fault:
    if isinstance(error, TimeoutError):
        message = f"the search took longer than {SEARCH_S:g} s: expected narrower conditions"
        return Fault(Code.GATEWAY_BUSY, message)
    return Fault(Code.BROKER_UNREACHABLE, f"the audit cannot be read: {error}")
