"""Rates and percentiles of the last minute."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records.results import Result
from gateway.page.rates import Rates
from gateway.page.rows import Row
from tests.page.scene import NOW


def ended_row(
    took: int | None,
    *,
    seconds_ago: float = 0.0,
    result: Result = Result.DONE,
    provider: str = "k8s",
) -> Row:
    return Row(
        offset=0,
        id="m1",
        result=result,
        operation="update_controller_replicas",
        provider=provider,
        address="controllers.default.hello",
        by="icc",
        at=int((NOW - seconds_ago) * 1000),
        waited=took,
        took=took,
    )


@pytest.fixture
def rates() -> Rates:
    return Rates(lambda: NOW)


def test_commands_are_counted_by_provider_and_result(rates: Rates) -> None:
    for result in (Result.DONE, Result.DONE, Result.FAILED):
        rates.add(ended_row(10, result=result))
    rates.add(ended_row(10, provider="ecs"))

    assert rates.minute("k8s").results == {Result.DONE: 2, Result.FAILED: 1}
    assert rates.minute("ecs").results == {Result.DONE: 1}
    assert rates.minute("absent").results == {}


def test_only_the_last_minute_counts(rates: Rates) -> None:
    rates.add(ended_row(10, seconds_ago=90))
    rates.add(ended_row(10, seconds_ago=50))

    assert rates.minute("k8s").results == {Result.DONE: 1}


def test_old_slots_are_dropped() -> None:
    now = NOW
    rates = Rates(lambda: now)
    for minute in range(100):
        now = NOW + 60 * minute
        rates.add(ended_row(10, seconds_ago=-60 * minute))

    assert len(rates._slots["k8s"]) <= 25


def test_without_a_duration_there_is_no_percentile(rates: Rates) -> None:
    rates.add(ended_row(None, result=Result.EXPIRED))

    minute = rates.minute("k8s")
    assert (minute.waited, minute.took) == ([], [])


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=200))
def test_percentiles_are_within_five_percent(durations: list[int]) -> None:
    rates = Rates(lambda: NOW)
    for each in durations:
        rates.add(ended_row(each))

    ordered = sorted(durations)
    for part, found in zip((0.5, 0.95), rates.minute("k8s").took, strict=True):
        exact = ordered[math.ceil(len(ordered) * part) - 1]
        assert abs(found - exact) <= 0.05 * exact + 1
