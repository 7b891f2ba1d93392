"""Which commands a recorder takes for started, and what it keeps of them."""

import msgspec
import pytest

from contracts.broker.channel import Delivery
from contracts.outcomes import Result, message_of, outcome_of
from gateway.running import Running
from tests.producer import scale_event


def mark(identity: str, result: Result) -> Delivery:
    """The outcome of a command as the recorder gets it."""
    command = msgspec.structs.replace(scale_event("hello", 3), message_id=identity)
    record = message_of(outcome_of(command, "k8s", result), "worker/1")
    return Delivery(record, tag=1, redelivered=False, returns=0)


@pytest.mark.parametrize("end", [Result.DONE, Result.FAILED, Result.UNKNOWN, Result.DEAD])
def test_a_start_is_kept_until_its_end(end: Result) -> None:
    running = Running(10)
    start, other, final = mark("a", Result.STARTED), mark("b", Result.STARTED), mark("a", end)

    assert running.take(start) == running.take(other) == []
    assert running.may_have_started("a")
    assert not running.may_have_started("c")
    assert running.take(final) == [start, final]
    assert not running.may_have_started("a")
    assert running.may_have_started("b")


def test_a_second_start_takes_the_place_of_the_first() -> None:
    running = Running(10)
    first, second = mark("a", Result.STARTED), mark("a", Result.STARTED)

    running.take(first)

    assert running.take(second) == [first]
    assert running.may_have_started("a")


def test_where_too_many_run_any_command_may_have_been_started() -> None:
    running = Running(2)
    starts = [mark(identity, Result.STARTED) for identity in "abc"]

    settled = [each for start in starts for each in running.take(start)]

    assert settled == starts[:1]
    assert running.may_have_started("a")
    assert running.may_have_started("never seen")
