"""A record of the audit as JSON, and as the columns of CSV and Parquet."""

import csv
import io
import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contracts import outcomes, topology
from contracts.broker.stream_reader import OFFSET
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.records.requests import Request
from contracts.wire import Message
from gateway.audit.entries import entry
from gateway.console.audit.export.rows import COLUMNS, csv_header, csv_line, json_line, row_of

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def record(**what: Any) -> Message:
    """Return the message of a final record, as the broker delivers it."""
    fields: dict[str, Any] = {
        "id": "c1",
        "result": Result.FAILED,
        "operation": "update_controller_replicas",
        "provider": "k8s",
        "address": "controllers.default.hello",
        "requested_by": "alice",
        "user": "gateway",
        "finished": NOON,
        "status": 404,
        "fault": Cause(Code.NOT_FOUND, "no controller"),
    }
    message = outcomes.message_of(Outcome(**fields | what), "worker/test", TRACE)
    return delivered(message)


def delivered(message: Message, position: int = 7) -> Message:
    return msgspec.structs.replace(message, headers=message.headers | {OFFSET: position})


def cells(message: Message) -> dict[str, str]:
    """Return the row of a message, as a CSV reader reads it."""
    lines = csv_header() + csv_line(row_of(message, entry(message)))
    assert lines.count("\n") == 2
    (found,) = csv.DictReader(io.StringIO(lines))
    return found


def test_a_row_has_the_members_of_the_record():
    found = cells(record(before={"replicas": 1}, request=Request(exchange=topology.EVENTS)))

    assert {name: text for name, text in found.items() if text} == {
        "offset": "7",
        "id": "c1",
        "result": "failed",
        "operation": "update_controller_replicas",
        "provider": "k8s",
        "address": "controllers.default.hello",
        "collection": "controllers",
        "scope": "default",
        "name": "hello",
        "requested_by": "alice",
        "user": "gateway",
        "finished": "2026-01-31T12:00:00.250000Z",
        "status": "404",
        "fault_code": "not_found",
        "fault_message": "no controller",
        "traceparent": TRACE,
        "request": '{"exchange":"machinist.events"}',
        "before": '{"replicas":1}',
    }


def test_every_member_of_a_record_has_a_column():
    outcome = {name for name in Outcome.__struct_fields__ if name != "fault"}

    assert set(COLUMNS) == outcome | {
        "offset", "collection", "scope", "name", "fault_code", "fault_message", "traceparent",
        "undecoded",
    }  # fmt: skip


def test_the_address_of_a_whole_collection_has_no_name():
    found = cells(record(address="machines.default"))

    assert (found["collection"], found["scope"], found["name"]) == ("machines", "default", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "'quoted", "''"])
def test_a_text_that_may_be_a_formula_begins_with_one_apostrophe_more(text):
    assert cells(record(requested_by=text))["requested_by"] == f"'{text}"


@pytest.mark.parametrize("text", ["a=1", "1-1", 'a "quoted", text', "Jörg", "a'b"])
def test_any_other_text_is_unchanged(text):
    assert cells(record(requested_by=text))["requested_by"] == text


def test_control_characters_do_not_break_a_line_of_csv():
    fault = Cause(Code.INVALID, "one\r\ntwo\t\x1b[31m")

    assert cells(record(fault=fault))["fault_message"] == "one\\r\\ntwo\\t\\x1b[31m"


def test_a_line_of_json_is_the_record_with_its_offset_and_its_trace():
    message = record(fault=Cause(Code.INVALID, "one\ntwo \x9b31m"))

    line = json_line(message, entry(message))

    expected = {"offset": 7, "traceparent": TRACE} | json.loads(message.body)
    assert json.loads(line) == expected
    assert list(json.loads(line)) == list(expected)
    assert line.endswith("}\n")
    assert line[:-1].isprintable()


def test_a_line_of_json_has_members_that_this_version_does_not_know():
    message = record()
    body = b'{\n "newMember": [ 1 ],' + message.body[1:]
    message = msgspec.structs.replace(message, body=body)

    line = json_line(message, entry(message))

    assert json.loads(line)["newMember"] == [1]
    assert line.count("\n") == 1


def test_a_record_that_cannot_be_decoded_has_its_offset_and_its_body():
    message = msgspec.structs.replace(record(), body=b"\xff\x00?")
    assert entry(message) is None

    line = json.loads(json_line(message, None))
    row = cells(message)

    assert line.keys() == {"offset", "undecoded"}
    assert {name for name, text in row.items() if text} == {"offset", "undecoded"}
    assert b64decode(line["undecoded"]) == b64decode(row["undecoded"]) == b"\xff\x00?"
