"""Records that are read backwards become one row for each command."""

from datetime import timedelta
from typing import Any

import msgspec

from contracts.outcomes import Outcome, Result
from gateway.audit.entries import NewestFirst, entry, merged
from gateway.audit.filters import Filters
from tests.audit.records import NOON, ended, in_stream, started

MINUTE = timedelta(minutes=1)


def found(*records: Outcome, number: int = 10, **conditions: Any) -> list[tuple[str, Result]]:
    """Return id and result of each command that is found in a stream of these records."""
    return [(each.id, each.result) for each in search(*records, number=number, **conditions)]


def search(*records: Outcome, number: int = 10, **conditions: Any) -> list[Outcome]:
    newest = NewestFirst(Filters(**conditions), number)
    for message in reversed(in_stream(*records)):
        newest.add(message)
    return newest.commands()


def test_start_and_end_are_one_command_with_the_request_of_the_start() -> None:
    (command,) = search(started("m1"), ended("m1", status=200))

    assert (command.result, command.status) == (Result.DONE, 200)
    assert command.request == started("m1").request


def test_commands_are_in_the_order_of_their_newest_record_and_limited() -> None:
    records = [started("m1"), started("m2"), started("m3"), ended("m2"), ended("m1")]

    assert found(*records) == [("m1", Result.DONE), ("m2", Result.DONE), ("m3", Result.STARTED)]
    assert found(*records, number=2) == [("m1", Result.DONE), ("m2", Result.DONE)]


def test_the_first_final_record_of_a_command_counts() -> None:
    records = [started("m1"), ended("m1"), ended("m1", Result.UNKNOWN)]

    assert found(*records) == [("m1", Result.DONE)]


def test_a_command_that_has_ended_is_not_among_the_started_ones() -> None:
    records = [started("m1"), started("m2"), ended("m1")]

    assert found(*records, results=frozenset({Result.STARTED})) == [("m2", Result.STARTED)]


def test_a_command_with_another_result_is_not_found_by_its_start() -> None:
    records = [started("m1"), ended("m1")]

    assert found(*records, results=frozenset({Result.FAILED})) == []


def test_a_command_that_ended_after_the_time_is_not_found_by_its_start() -> None:
    records = [started("m1"), ended("m1", at=NOON + MINUTE)]

    assert found(*records, until=NOON) == []


def test_the_same_id_on_two_providers_is_two_commands() -> None:
    records = [ended("m1"), ended("m1", provider="ecs")]

    assert len(found(*records)) == 2


def test_the_search_knows_since_when_it_lacks_a_start() -> None:
    newest = NewestFirst(Filters(), 10)
    start, *ends = in_stream(started("m1"), ended("m1"), ended("m2", Result.EXPIRED))
    for message in reversed(ends):
        newest.add(message)

    assert newest.incomplete_since() == (NOON - timedelta(seconds=1)).timestamp()
    newest.add(start)
    assert newest.commands()[1].request is not None


def test_a_record_that_cannot_be_decoded_is_left_out() -> None:
    (message,) = in_stream(ended("m1"))
    newest = NewestFirst(Filters(), 10)
    newest.add(msgspec.structs.replace(message, body=b"?"))

    assert newest.commands() == []


def test_an_entry_has_position_and_trace() -> None:
    messages = in_stream(ended("m1"), ended("m2"))
    read = entry(messages[1])

    assert read is not None
    assert (read.offset, read.outcome.id, read.traceparent) == (1, "m2", None)


def test_merging_keeps_the_first_final_record_and_the_request() -> None:
    command = merged([started("m1"), ended("m1", Result.FAILED), ended("m1")])

    assert command.result is Result.FAILED
    assert command.request is not None
