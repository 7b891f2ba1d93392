"""The feed: rows of the newest records, running commands, and what a viewer has missed."""

from datetime import timedelta

import msgspec
import pytest

from contracts.faults import Code
from contracts.outcomes import Cause, Result
from gateway.page.feed import Batch, Feed
from gateway.page.rows import Row
from tests.audit.records import NOON, ended, in_stream, started
from tests.page.scene import NOW, fed, scaled


def everything(row: Row) -> bool:
    return True


def of_other(row: Row) -> bool:
    return row.address.endswith(".other")


@pytest.fixture
def feed() -> Feed:
    return Feed(lambda: NOW, kept=10)


def ids(batch: Batch | None) -> list[str]:
    return [] if batch is None else [row.id for row in batch.rows]


def test_a_row_tells_the_change_the_requester_and_the_times(feed: Feed) -> None:
    asked, at = NOON - timedelta(seconds=3), NOON
    before, after = {"replicas": 3}, {"replicas": 5}
    fed(feed, ended("m1", at=at, asked=asked, before=before, after=after, status=200))

    batch = feed.batch(None, everything)

    assert batch is not None
    (row,) = batch.rows
    assert (row.what, row.by, row.status) == ("replicas 3 → 5", "icc", 200)
    assert (row.waited, row.took, row.at) == (2000, 1000, int(NOON.timestamp() * 1000))
    assert row.scope == "default"


def test_the_end_replaces_the_start_of_the_same_command(feed: Feed) -> None:
    fed(feed, *scaled(3))

    batch = feed.batch(None, everything)

    assert ids(batch) == ["m0", "m1", "m2"]
    assert batch is not None
    assert {row.result for row in batch.rows} == {Result.DONE}


def test_a_failed_command_shows_what_was_requested_and_the_reason(feed: Feed) -> None:
    fault = Cause(Code.NOT_FOUND, "there is no controller 'hello'")
    fed(feed, started("m1"), ended("m1", Result.FAILED, fault=fault))

    batch = feed.batch(None, everything)

    assert batch is not None
    assert batch.rows[0].what == "replicas → 5 - not_found: there is no controller 'hello'"


def test_a_viewer_continues_after_its_position(feed: Feed) -> None:
    fed(feed, *scaled(2))
    position = feed.newest
    assert feed.batch(position, everything) is None

    fed(feed, started("m9"))

    assert ids(feed.batch(position, everything)) == ["m9"]


def test_the_newest_rows_are_shown_and_the_others_are_counted_exactly(feed: Feed) -> None:
    position = fed(feed, started("m9")).newest
    fed(feed, *[ended(f"m{number}", Result.FAILED) for number in range(3)], *scaled(3))

    batch = feed.batch(position, everything, most=2)

    assert ids(batch) == ["m1", "m2"]
    assert batch is not None
    assert (batch.left_out, batch.gap) == ({Result.DONE: 1}, 0)


def test_only_visible_rows_are_shown_and_counted(feed: Feed) -> None:
    position = fed(feed, started("m9")).newest
    fed(feed, *scaled(3), ended("m7", address="controllers.shop.other"))

    batch = feed.batch(position, of_other, most=1)

    assert ids(batch) == ["m7"]
    assert batch is not None
    assert batch.left_out == {}
    assert feed.batch(feed.newest - 1, lambda row: False) is None


def test_records_that_are_no_longer_in_memory_are_a_gap(feed: Feed) -> None:
    fed(feed, *[started(f"m{number}") for number in range(25)])

    batch = feed.batch(4, everything)

    assert batch is not None
    assert batch.gap == 10
    assert ids(batch) == [f"m{number}" for number in range(15, 25)]


def test_a_position_of_another_stream_begins_with_the_newest(feed: Feed) -> None:
    fed(feed, *scaled(1))

    batch = feed.batch(1_000_000, everything)

    assert ids(batch) == ["m0"]
    assert batch is not None
    assert (batch.until, batch.gap, batch.left_out) == (feed.newest, 0, {})


def test_commands_without_an_end_run_longest_first(feed: Feed) -> None:
    early = NOON - timedelta(minutes=5)
    fed(feed, started("new"), started("done"), started("old", at=early), ended("done"))

    assert [row.id for row in feed.running(everything, 10)] == ["old", "new"]
    assert [row.id for row in feed.running(everything, 1)] == ["old"]
    assert feed.running(of_other, 10) == []


def test_a_start_whose_end_was_lost_is_not_shown_for_ever(feed: Feed) -> None:
    fed(feed, started("lost", at=NOON - timedelta(minutes=16)))

    assert feed.running(everything, 10) == []


def test_the_memory_of_starts_without_an_end_is_bounded(feed: Feed) -> None:
    fed(feed, *[started(f"m{number}") for number in range(40)])

    assert len(feed.running(everything, 100)) == 10


def test_a_record_that_cannot_be_read_is_passed_over(feed: Feed) -> None:
    (message,) = in_stream(started("m1"))
    feed.add(msgspec.structs.replace(message, body=b"{"))

    assert (feed.newest, feed.batch(None, everything)) == (0, None)
