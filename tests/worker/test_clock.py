"""The clock: nothing starts after its deadline by the publisher's clock, however wrong ours is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.topology import EVENTS, PARTITION_TTL_MS
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from worker.clock import Clock

EPOCH = 1_800_000_000.0
TTL_S = PARTITION_TTL_MS / 1000


class Time:
    """A worker's two clocks, which the test moves; `behind` is how wrong the first one is."""

    def __init__(self, behind: float = 0.0) -> None:
        self.passed = 0.0
        self.behind = behind
        self.clock = Clock(lambda: EPOCH + self.passed - self.behind, lambda: 500.0 + self.passed)

    def published(self, within: float, ago: float = 0.0, **changes: Any) -> Message:
        """A message of a publisher whose clock is right, that was published some seconds ago."""
        at = EPOCH + self.passed - ago
        headers = {wire.HEADER_CONTRACT: 1, wire.HEADER_DEADLINE: round((at + within) * 1000)}
        expiration = round(within * 1000)
        properties: dict[str, Any] = {
            "headers": headers,
            "expiration": expiration,
            "timestamp": int(at),
        }
        return message_of(EXAMPLES["update_controller_replicas"], **{**properties, **changes})

    def left(self, message: Message) -> float:
        """The seconds that a message has that is delivered now."""
        return self.clock.expires_at(message) - (500.0 + self.passed)


def about(seconds: float) -> object:
    """The number of seconds to a millisecond."""
    return pytest.approx(seconds, abs=0.002)


def test_a_message_has_what_is_left_until_its_deadline():
    time = Time()

    assert time.left(time.published(within=10)) == about(10)
    assert time.left(time.published(within=10, ago=7)) == about(3)
    assert time.left(time.published(within=10, ago=12)) == about(-2)


def test_a_worker_whose_clock_is_ahead_gives_less_time_and_never_more():
    time = Time(behind=-4)

    assert time.left(time.published(within=10)) == about(6)
    assert time.clock.behind == 0


def test_a_worker_whose_clock_is_behind_learns_it_from_a_message_of_the_future():
    time = Time(behind=60)

    assert time.left(time.published(within=10)) == about(10)
    assert time.clock.behind == about(60)


def test_what_it_learnt_counts_for_messages_that_have_waited():
    """Alone, this one would seem to be published just now and to have all its time left."""
    time = Time(behind=60)
    assert time.left(time.published(within=10, ago=30)) == about(10)

    time.left(time.published(within=10))
    assert time.left(time.published(within=10, ago=30)) == about(-20)


def test_an_event_keeps_its_own_deadline_and_teaches_nothing_for_others():
    time = Time(behind=60)

    assert time.left(time.published(within=10, exchange=EVENTS)) == about(10)
    assert time.clock.behind == 0


def test_the_largest_value_of_five_minutes_counts():
    time = Time(behind=60)
    time.left(time.published(within=10, ago=20))
    time.left(time.published(within=10, ago=5))
    time.left(time.published(within=10, ago=30))

    assert time.clock.behind == about(55)


def test_what_was_learnt_is_forgotten_after_five_minutes():
    time = Time(behind=60)
    time.left(time.published(within=10))
    time.behind = 0
    time.passed += 299
    assert time.clock.behind == about(60)

    time.passed += 2
    assert time.clock.behind == 0
    assert time.left(time.published(within=10)) == about(10)


def test_smaller_values_count_when_larger_ones_are_forgotten():
    time = Time(behind=60)
    time.left(time.published(within=10))
    time.passed += 200
    time.left(time.published(within=10, ago=20))
    assert time.clock.behind == about(60)

    time.passed += 150
    assert time.clock.behind == about(40)


def test_no_message_has_longer_than_it_may_wait():
    time = Time()

    assert time.left(time.published(within=3600)) == about(TTL_S)
    assert time.clock.behind == 0


@pytest.mark.parametrize("within", [TTL_S + 1, 900, 86_400])
def test_a_far_deadline_is_no_message_of_the_future(within):
    """Its expiration is longer than messages may wait, or there is none."""
    time = Time()
    time.left(time.published(within=within))
    time.left(time.published(within=within, expiration=None))

    assert time.clock.behind == 0
    assert time.left(time.published(within=10)) == about(10)


def test_a_deadline_in_another_unit_teaches_nothing():
    time = Time()
    headers = {wire.HEADER_DEADLINE: int(EPOCH * 1_000_000)}

    assert time.left(time.published(within=10, headers=headers)) == about(10)
    assert time.clock.behind == 0


@pytest.mark.parametrize("malformed", [None, "1800000000000", True, ""])
def test_without_a_deadline_that_can_be_read_the_timestamp_counts(malformed):
    """It is in whole seconds, so that up to one second more may be left; dispatch refuses it."""
    time = Time()
    headers = {} if malformed is None else {wire.HEADER_DEADLINE: malformed}
    left = time.left(time.published(within=10, ago=4.5, headers=headers))

    assert 5.5 <= left <= 6.5
    assert time.clock.behind == 0


def test_an_event_that_names_nothing_has_ten_minutes_from_its_timestamp():
    time = Time()
    event = time.published(within=0, ago=100, headers={}, expiration=None)

    assert TTL_S - 100 <= time.left(event) <= TTL_S - 99


def test_an_event_without_any_time_has_ten_minutes_from_its_delivery():
    time = Time(behind=60)
    time.left(time.published(within=10))
    event = time.published(within=0, headers={}, expiration=None, timestamp=None)

    assert time.left(event) == about(TTL_S)


@given(
    behind=st.floats(-100, 100),
    ago=st.floats(0, 100),
    within=st.floats(0.1, 600),
    others=st.lists(st.floats(0, 100), max_size=5),
)
def test_more_messages_never_give_more_time(behind, ago, within, others):
    alone, crowded = Time(behind), Time(behind)
    for other in others:
        crowded.left(crowded.published(within=10, ago=other))
    first = alone.left(alone.published(within=within, ago=ago))
    later = crowded.left(crowded.published(within=within, ago=ago))

    assert later <= first + 0.002
    assert later <= within + 0.002


@given(behind=st.floats(0, 100), ago=st.floats(0, 100), within=st.floats(0.1, 600))
def test_a_worker_that_heard_a_fresh_message_keeps_every_deadline(behind, ago, within):
    time = Time(behind)
    time.left(time.published(within=10))

    assert time.left(time.published(within=within, ago=ago)) <= within - ago + 0.002
