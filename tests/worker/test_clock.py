"""The clock: no command starts after its deadline by the publisher's clock, if ours differs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.topology import EVENTS, PARTITION_TTL_MS, replies_queue
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from worker.messages.clock import MAX_PUBLISHERS, REMEMBERED_S, Clock

EPOCH = 1_800_000_000.0
TTL_S = PARTITION_TTL_MS / 1000


class Time:
    """The real-time and monotonic clocks of a worker; the first is slow by `behind` seconds."""

    def __init__(self, behind: float = 0.0) -> None:
        self.passed = 0.0
        self.behind = behind
        self.clock = Clock(lambda: EPOCH + self.passed - self.behind, lambda: 500.0 + self.passed)

    def published(
        self, within: float, ago: float = 0.0, fast: float = 0.0, **changes: Any
    ) -> Message:
        """A message published `ago` seconds ago, by a clock that is fast by `fast` seconds."""
        at = EPOCH + self.passed - ago + fast
        headers = {wire.HEADER_CONTRACT: 1, wire.HEADER_DEADLINE: round((at + within) * 1000)}
        expiration = round(within * 1000)
        properties: dict[str, Any] = {
            "headers": headers,
            "expiration": expiration,
            "timestamp": int(at),
        }
        return message_of(EXAMPLES["update_controller_replicas"], **{**properties, **changes})

    def left(self, message: Message) -> float:
        """Return the seconds left for a message that is delivered now."""
        return self.clock.expires_at(message) - (500.0 + self.passed)


def by(gateway: str, connection: int = 1) -> str:
    """Return the replies queue of a gateway's connection."""
    return replies_queue(gateway, connection)


def about(seconds: float) -> object:
    """Match a number of seconds, to 2 ms."""
    return pytest.approx(seconds, abs=0.002)


def test_a_message_has_the_time_until_its_deadline():
    time = Time()

    assert time.left(time.published(within=10)) == about(10)
    assert time.left(time.published(within=10, ago=7)) == about(3)
    assert time.left(time.published(within=10, ago=12)) == about(-2)


def test_a_worker_with_a_fast_clock_gives_less_time():
    time = Time(behind=-4)

    assert time.left(time.published(within=10)) == about(6)
    assert time.clock.behind == 0


def test_a_worker_with_a_slow_clock_learns_from_a_message_from_the_future():
    time = Time(behind=60)

    assert time.left(time.published(within=10)) == about(10)
    assert time.clock.behind == about(60)


def test_the_learnt_difference_applies_to_messages_that_have_waited():
    """Without the earlier message, the waiting one would seem to be published just now."""
    time = Time(behind=60)
    assert time.left(time.published(within=10, ago=30)) == about(10)

    time.left(time.published(within=10))
    assert time.left(time.published(within=10, ago=30)) == about(-20)


ANONYMOUS = {
    "an event": {"exchange": EVENTS, "reply_to": None},
    "an event with a reply_to": {"exchange": EVENTS, "reply_to": by("a")},
    "a command without a reply_to": {"reply_to": None},
    "a command with an empty reply_to": {"reply_to": ""},
}
anonymous = pytest.mark.parametrize("changes", ANONYMOUS.values(), ids=ANONYMOUS)


@anonymous
def test_a_message_of_no_gateway_keeps_its_deadline_and_changes_no_other(changes):
    time = Time(behind=60)

    assert time.left(time.published(within=10, **changes)) == about(10)
    assert time.clock.behind == 0
    assert time.left(time.published(within=10, ago=9)) == about(10)


@pytest.mark.parametrize("fast", [5, 60, 3600])
def test_a_publisher_with_a_fast_clock_does_not_shorten_the_time_of_others(fast):
    time = Time()
    time.left(time.published(within=10, reply_to=by("right")))

    assert time.left(time.published(within=10, fast=fast, reply_to=by("fast"))) == about(10)
    assert time.left(time.published(within=10, reply_to=by("right"))) == about(10)
    assert time.left(time.published(within=10, reply_to=None)) == about(10)
    assert time.left(time.published(within=10, exchange=EVENTS)) == about(10)
    assert time.clock.behind == 0


def test_the_deadlines_of_a_publisher_with_a_fast_clock_count_by_its_clock():
    time = Time()
    time.left(time.published(within=10, fast=60, reply_to=by("fast")))

    late = time.published(within=10, ago=30, fast=60, reply_to=by("fast"))
    assert time.left(late) == about(-20)


def test_all_connections_of_a_gateway_are_one_publisher():
    time = Time(behind=60)
    time.left(time.published(within=10, reply_to=by("a", 1)))

    assert time.left(time.published(within=10, ago=30, reply_to=by("a", 2))) == about(-20)


def test_a_replies_queue_without_a_dot_is_a_publisher():
    time = Time(behind=60)
    time.left(time.published(within=10, reply_to="loopback"))
    time.left(time.published(within=10, ago=60, reply_to="other"))

    assert time.left(time.published(within=10, ago=30, reply_to="loopback")) == about(-20)


@anonymous
def test_a_message_of_no_gateway_gets_the_difference_to_all_publishers(changes):
    time = Time(behind=60)
    for gateway in "abc":
        time.left(time.published(within=10, reply_to=by(gateway)))

    assert time.left(time.published(within=10, ago=30, **changes)) == about(-20)


def test_the_first_message_of_a_publisher_gets_the_difference_to_all_others():
    """The message may have waited in the queue while its gateway's other messages did not."""
    time = Time(behind=60)
    time.left(time.published(within=10, reply_to=by("a")))

    assert time.left(time.published(within=10, ago=30, reply_to=by("b"))) == about(-20)


def test_the_difference_to_a_publisher_counts_from_its_second_message():
    """If all known publishers are fast, the first message of another has less time, once."""
    time = Time()
    time.left(time.published(within=10, fast=60, reply_to=by("fast")))

    assert time.left(time.published(within=10, reply_to=by("right"))) == about(-50)
    assert time.left(time.published(within=10, reply_to=by("right"))) == about(10)


def test_the_worker_announces_the_smallest_difference_to_a_publisher():
    time = Time(behind=60)
    time.left(time.published(within=10, fast=30, reply_to=by("fast")))
    assert time.clock.behind == about(90)

    time.left(time.published(within=10, ago=5, reply_to=by("right")))
    time.left(time.published(within=10, ago=20, reply_to=by("right")))
    assert time.clock.behind == about(55)


def test_a_publisher_without_messages_for_five_minutes_is_forgotten():
    time = Time(behind=60)
    time.left(time.published(within=10, ago=60, reply_to=by("former")))
    time.passed += 200
    time.left(time.published(within=10, reply_to=by("here")))
    assert time.clock.behind == 0

    time.passed += 101
    assert time.clock.behind == about(60)


def test_a_publisher_with_few_messages_is_not_forgotten():
    time = Time()
    for _ in range(4):
        time.left(time.published(within=10, reply_to=by("right")))
        time.left(time.published(within=10, fast=60, reply_to=by("fast")))
        time.passed += 100

    assert time.clock.behind == 0


def test_the_least_recently_seen_publisher_is_forgotten_over_the_limit():
    time = Time(behind=60)
    time.left(time.published(within=10, ago=60, reply_to=by("first")))
    for number in range(MAX_PUBLISHERS - 1):
        time.left(time.published(within=10, reply_to=by(f"g{number}")))
    assert time.clock.behind == 0

    time.left(time.published(within=10, reply_to=by("one more")))
    assert time.clock.behind == about(60)


def test_the_largest_difference_of_five_minutes_counts():
    time = Time(behind=60)
    time.left(time.published(within=10, ago=20))
    time.left(time.published(within=10, ago=5))
    time.left(time.published(within=10, ago=30))

    assert time.clock.behind == about(55)


def test_a_difference_is_forgotten_after_five_minutes():
    time = Time(behind=60)
    time.left(time.published(within=10))
    time.behind = 0
    time.passed += 299
    assert time.clock.behind == about(60)

    time.passed += 2
    assert time.clock.behind == 0
    assert time.left(time.published(within=10)) == about(10)


def test_a_smaller_difference_counts_after_a_larger_one_is_forgotten():
    time = Time(behind=60)
    time.left(time.published(within=10))
    time.passed += 200
    time.left(time.published(within=10, ago=20))
    assert time.clock.behind == about(60)

    time.passed += 150
    assert time.clock.behind == about(40)


def test_no_message_has_more_time_than_the_limit_of_a_partition():
    time = Time()

    assert time.left(time.published(within=3600)) == about(TTL_S)
    assert time.clock.behind == 0


@pytest.mark.parametrize("within", [TTL_S + 1, 900, 86_400])
def test_a_far_deadline_is_not_a_message_from_the_future(within):
    """The expiration of such a message is over the limit of a partition, or absent."""
    time = Time()
    time.left(time.published(within=within))
    time.left(time.published(within=within, expiration=None))

    assert time.clock.behind == 0
    assert time.left(time.published(within=10)) == about(10)


def test_a_deadline_in_another_unit_is_ignored():
    time = Time()
    headers = {wire.HEADER_DEADLINE: int(EPOCH * 1_000_000)}

    assert time.left(time.published(within=10, headers=headers)) == about(10)
    assert time.clock.behind == 0


@pytest.mark.parametrize("malformed", [None, "1800000000000", True, ""])
def test_the_timestamp_counts_without_a_readable_deadline(malformed):
    """Timestamps are whole seconds, so up to one second more is left; dispatch then refuses it."""
    time = Time()
    headers = {} if malformed is None else {wire.HEADER_DEADLINE: malformed}
    left = time.left(time.published(within=10, ago=4.5, headers=headers))

    assert 5.5 <= left <= 6.5
    assert time.clock.behind == 0


def test_an_event_without_a_deadline_has_ten_minutes_from_its_timestamp():
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


gateways = st.sampled_from("abc").map(by)
behinds = st.floats(0, 100)
agos = st.floats(0, 100)
withins = st.floats(0.1, 600)
errors = st.floats(-100, 100)


@given(
    behind=behinds,
    ago=agos,
    within=withins,
    error=errors,
    others=st.lists(st.tuples(gateways, errors, agos), max_size=5),
)
def test_deadlines_of_a_publisher_hold_after_one_of_its_fresh_messages(
    behind, ago, within, error, others
):
    """The deadline counts by the publisher's own clock; a slow worker clock leaves less time."""
    time = Time(behind)
    time.left(time.published(within=10, fast=error, reply_to=by("its own")))
    for gateway, fast, since in others:
        time.left(time.published(within=10, ago=since, fast=fast, reply_to=gateway))

    late = time.published(within=within, ago=ago, fast=error, reply_to=by("its own"))
    assert time.left(late) <= within - ago + 0.002


@given(
    behind=behinds,
    ago=agos,
    within=withins,
    reply_to=st.none() | gateways | st.just(by("unknown")),
    others=st.lists(st.tuples(gateways, agos), max_size=5),
)
def test_all_deadlines_hold_after_a_fresh_message_of_every_publisher(
    behind, ago, within, reply_to, others
):
    time = Time(behind)
    for gateway in "abc":
        time.left(time.published(within=10, reply_to=by(gateway)))
    for gateway, since in others:
        time.left(time.published(within=10, ago=since, reply_to=gateway))

    late = time.published(within=within, ago=ago, reply_to=reply_to)
    assert time.left(late) <= within - ago + 0.002


@given(
    behind=errors,
    ago=agos,
    within=withins,
    known_by=agos,
    others=st.lists(st.tuples(gateways, errors, agos), max_size=5),
)
def test_the_time_of_a_known_publisher_is_independent_of_others(
    behind, ago, within, known_by, others
):
    alone, crowded = Time(behind), Time(behind)
    for time in (alone, crowded):
        time.left(time.published(within=10, ago=known_by, reply_to=by("its own")))
    for gateway, fast, since in others:
        crowded.left(crowded.published(within=10, ago=since, fast=fast, reply_to=gateway))

    first, later = (
        time.left(time.published(within=within, ago=ago, reply_to=by("its own")))
        for time in (alone, crowded)
    )
    assert first == later


@given(
    deliveries=st.lists(st.tuples(st.floats(0, 200), st.sampled_from("abc"), errors), max_size=30),
    pause=st.floats(0, 400),
)
def test_the_smallest_of_the_publishers_largest_differences_counts(deliveries, pause):
    time = Time()
    heard: dict[str, list[tuple[float, float]]] = {}
    for seconds, gateway, fast in deliveries:
        time.passed += seconds
        time.left(time.published(within=10, fast=fast, reply_to=by(gateway)))
        heard.setdefault(gateway, []).append((time.passed, max(0.0, fast)))
    time.passed += pause

    since = time.passed - REMEMBERED_S
    lately = [[fast for at, fast in each if int(at) >= since] for each in heard.values()]
    assert time.clock.behind == about(min((max(each) for each in lately if each), default=0.0))
