"""The measures of a node loss and their table, on artificial histories."""

from pathlib import Path

import pytest

from contracts.outcomes import Result
from tests.cluster import table
from tests.cluster.load import RequestResult
from tests.cluster.measures import BrokenPromises, Outage, broken_promises, outage
from tests.history.history import Command, Disturbance, Fate, History, Record, Write

NOBODY = Disturbance(what="kill", hits=frozenset(), began=0, ended=0)
NONE_BROKEN = BrokenPromises([], [], [], [], [])


def results(*requests: tuple[float, float, int]) -> list[RequestResult]:
    return [RequestResult("query", start, end, status) for start, end, status in requests]


def test_an_outage_ends_with_the_first_success_after_the_last_failure() -> None:
    requests = results(
        (0.0, 0.1, 200), (1.0, 1.1, 503), (1.5, 1.6, 200), (2.0, 2.1, 504), (2.5, 6.0, 200)
    )

    assert outage(requests) == Outage(1.5, 3.5, {200: 3, 503: 1, 504: 1})


def test_without_a_failure_there_is_no_outage() -> None:
    assert outage(results((0.0, 0.25, 200))) == Outage(0.0, 0.25, {200: 1})


def test_an_outage_without_a_later_success_is_infinite() -> None:
    assert outage(results((0.0, 0.1, 200), (1.0, 1.1, 503))).seconds == float("inf")


def history(fate: Fate, *ends: Result, is_written: bool) -> History:
    """Return a history of one command, its call and its outcomes."""
    command = Command(address="app", value=1, fate=fate, id="1" if ends else None)
    writes = [Write(address="app", value=1, start=2, end=3)] if is_written else []
    records = [Record(id="1", address="app", result=end, at=1) for end in ends]
    return History([command], writes, records, [NOBODY])


def test_a_command_that_was_answered_written_and_recorded_breaks_no_promise() -> None:
    kept = history(Fate.ANSWERED, Result.STARTED, Result.DONE, is_written=True)

    assert broken_promises(kept) == NONE_BROKEN


@pytest.mark.parametrize(
    ("judged", "names"),
    [
        (history(Fate.ANSWERED, is_written=False), {"lost", "not_on_platform"}),
        (history(Fate.CONFIRMED, is_written=False), {"lost"}),
        (history(Fate.CONFIRMED, Result.EXPIRED, is_written=False), {"lost"}),
        (history(Fate.REFUSED, is_written=True), {"refused_but_run"}),
    ],
)
def test_a_broken_promise_is_reported_by_kind(judged: History, names: set[str]) -> None:
    found = broken_promises(judged)

    named = {
        name for name in ("lost", "not_on_platform", "refused_but_run") if getattr(found, name)
    }
    assert named == names
    assert found.out_of_order  # the history checker finds the violation, too
    assert found.lines()


def test_an_accepted_command_without_an_outcome_is_reported() -> None:
    found = broken_promises(history(Fate.CONFIRMED, is_written=True))

    assert found.without_one_outcome == ["app 1 was confirmed"]


@pytest.mark.parametrize(
    ("ends", "contradict"),
    [
        ((Result.DONE, Result.DONE), False),
        ((Result.SUPERSEDED, Result.DONE), False),
        ((Result.DONE, Result.UNKNOWN), False),
        ((Result.EXPIRED, Result.DONE), True),
        ((Result.REFUSED, Result.DONE), True),
        ((Result.DONE, Result.FAILED), True),
    ],
)
def test_outcomes_that_exclude_each_other_are_reported(
    ends: tuple[Result, ...], contradict: bool
) -> None:
    found = broken_promises(history(Fate.OPEN, Result.STARTED, *ends, is_written=True))

    assert bool(found.without_one_outcome) is contradict


def test_a_row_replaces_the_row_of_the_same_broker_and_loss(tmp_path: Path) -> None:
    file = tmp_path / "table.md"
    first, second = (
        table.cells(Outage(seconds, 2.0, {200: 9, 503: 1}), {"confirmed": 3}, NONE_BROKEN, 5.0)
        for seconds in (1.0, 2.0)
    )

    table.renew(file, "4.0.5", "stop", first)
    table.renew(file, "3.10.8", "kill -9", first)
    table.renew(file, "4.0.5", "kill -9", first)
    table.renew(file, "4.0.5", "stop", second)

    rows = [line for line in file.read_text().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[:4] for row in rows] == [
        ["| RabbitMQ", "loss", "requests", "not 200"],
        ["| 3.10.8", "kill -9", "10", "1.0 s"],
        ["| 4.0.5", "stop", "10", "2.0 s"],
        ["| 4.0.5", "kill -9", "10", "1.0 s"],
    ]
    assert {row.count("|") for row in rows} == {len(table.COLUMNS) + 1}
