"""Audit records as rows of a table, lines of JSON, and lines of CSV; no I/O."""

import csv
import io
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts.broker.stream_reader import offset
from contracts.outcomes import Outcome
from contracts.printable import printable, printable_json
from contracts.wire import Message
from gateway.audit.entries import Entry


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the columns of CSV and Parquet.

    `request`, `before` and `after` are JSON. `collection`, `scope` and `name` are the words of the
    address. A record that cannot be decoded has its `offset` and `undecoded`, its body in Base64.
    """

    offset: int
    id: str | None = None
    result: str | None = None
    operation: str | None = None
    provider: str | None = None
    address: str | None = None
    collection: str | None = None
    scope: str | None = None
    name: str | None = None
    requested_by: str | None = None
    user: str | None = None
    asked: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    worker: str | None = None
    status: int | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    superseded_by: str | None = None
    repeats: str | None = None
    traceparent: str | None = None
    request: str | None = None
    before: str | None = None
    after: str | None = None
    undecoded: str | None = None


COLUMNS = Row.__struct_fields__

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
"""The first characters of cells that a spreadsheet may take for a formula, and the apostrophe."""


def row_of(message: Message, entry: Entry | None) -> Row:
    """Return the row of an audit message; `entry` is None if it cannot be decoded."""
    if entry is None:
        return Row(offset=offset(message), undecoded=b64encode(message.body).decode())
    outcome = entry.outcome
    collection, scope, name, *_ = [*outcome.address.split(".", 2), None, None]
    return Row(
        offset=entry.offset,
        id=outcome.id,
        result=str(outcome.result),
        operation=outcome.operation,
        provider=outcome.provider,
        address=outcome.address,
        collection=collection,
        scope=scope,
        name=name,
        requested_by=outcome.requested_by,
        user=outcome.user,
        asked=_utc(outcome.asked),
        started=_utc(outcome.started),
        finished=_utc(outcome.finished),
        worker=outcome.worker,
        status=outcome.status,
        traceparent=entry.traceparent,
        request=_json(outcome.request),
        before=_json(outcome.before),
        after=_json(outcome.after),
        **_reasons(outcome),
    )


def json_line(message: Message, entry: Entry | None) -> str:
    """Return the body of a record as one line, with `offset` and `traceparent` as first members.

    Members that this version does not know are kept.
    """
    members: dict[str, Any] = {"offset": offset(message)}
    if entry is None:
        return _text(members | {"undecoded": b64encode(message.body).decode()}) + "\n"
    if entry.traceparent is not None:
        members["traceparent"] = entry.traceparent
    body = msgspec.json.format(message.body, indent=-1).decode()
    return f"{_text(members)[:-1]},{printable_json(body)[1:]}\n"


def csv_line(row: Row) -> str:
    """Return a row as one line of CSV.

    Control characters are escaped as in `\\n`. A cell that a spreadsheet may take for a formula
    begins with an apostrophe, also one that begins with an apostrophe itself: a program that
    removes one leading apostrophe of each cell has the text.
    """
    return _csv(map(_cell, msgspec.structs.astuple(row)))


def csv_header() -> str:
    """Return the names of the columns as a line of CSV."""
    return _csv(COLUMNS)


def _csv(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(value: str | int | datetime | None) -> str:
    if value is None:
        return ""
    text = printable(str(msgspec.to_builtins(value)))
    return f"'{text}" if text.startswith(FORMULA) else text


def _reasons(outcome: Outcome) -> dict[str, str | None]:
    fault = outcome.fault
    return {
        "fault_code": str(fault.code) if fault else None,
        "fault_message": fault.message if fault else None,
        "superseded_by": outcome.superseded_by,
        "repeats": outcome.repeats,
    }


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)


def _json(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    return printable_json(msgspec.json.encode(value).decode())
