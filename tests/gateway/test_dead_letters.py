"""The records of a message that the broker dead-lettered, with arbitrary contents."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import Code
from contracts.outcomes import Outcome, Result, read
from contracts.seal import Seals
from contracts.topology import ATTENDANCE, COMMANDS, DEAD, ENDED, EVENTS, OUTCOMES
from contracts.wire import Header, Message
from gateway.recorder.dead_letters import expiry, records_for, unreadable_dead_letter
from tests.producer import scale_event

QUEUE = "machinist.k8s-eu1.commands.0"
USER = "gateway"


def death(reason: Any = "expired", queue: Any = QUEUE, exchange: Any = COMMANDS) -> dict[str, Any]:
    """Return an entry of `x-death` as RabbitMQ 3.10 writes it."""
    return {
        "count": 1,
        "reason": reason,
        "queue": queue,
        "time": datetime.now(UTC),
        "exchange": exchange,
        "routing-keys": ["k8s-eu1.0.controllers.default.hello"],
        "original-expiration": "30000",
    }


def ended(*deaths: Any, user: str = USER, **headers: Header) -> Message:
    """Return a command as it is delivered from `machinist.ended`."""
    return msgspec.structs.replace(
        scale_event("hello", 3),
        exchange=ENDED,
        message_id="c1",
        user_id=user,
        headers={"x-death": list(deaths), "requested-by": "198.51.100.7"} | headers,
    )


def published(
    message: Message, *, started: bool | None = False
) -> tuple[Outcome | None, Message | None, list[Message]]:
    """Return the outcome, the dead letter, and all messages in order."""
    messages = records_for(message, started=started, user=USER, seals=Seals([]))
    records = [read(each) for each in messages if each.exchange == OUTCOMES]
    letters = [each for each in messages if each.exchange == DEAD]
    assert len(records) + len(letters) == len(messages)
    return next(iter(records), None), next(iter(letters), None), messages


@pytest.mark.parametrize(
    ("reason", "started", "result", "code", "words"),
    [
        ("expired", False, Result.EXPIRED, Code.DEADLINE_EXCEEDED, "never started"),
        ("expired", True, Result.UNKNOWN, Code.DEADLINE_EXCEEDED, "a worker started the command"),
        ("expired", None, Result.UNKNOWN, Code.DEADLINE_EXCEEDED, "does not tell"),
        ("delivery_limit", False, Result.DEAD, Code.PLATFORM_FAILED, "more than 20 times"),
        ("delivery_limit", True, Result.DEAD, Code.PLATFORM_FAILED, "more than 20 times"),
        ("rejected", None, Result.DEAD, Code.PLATFORM_FAILED, "rejected it"),
        ("maxlen", False, Result.DEAD, Code.QUEUE_FULL, "full"),
        ("another reason", False, Result.DEAD, Code.PLATFORM_FAILED, "another reason"),
    ],
)
def test_every_reason_has_its_result_and_message(
    reason: str, started: bool | None, result: Result, code: Code, words: str
) -> None:
    outcome, letter, _ = published(ended(death(reason)), started=started)

    assert outcome is not None
    assert outcome.fault is not None
    assert (outcome.id, outcome.result, outcome.fault.code) == ("c1", result, code)
    assert (outcome.provider, outcome.address) == ("k8s-eu1", "controllers.default.hello")
    assert words in outcome.fault.message
    assert outcome.finished is not None
    assert (letter is not None) is (result is Result.DEAD)
    if letter is not None:
        assert words in str(letter.headers["reason"])
        assert letter.headers["queue"] == QUEUE


def test_the_outcome_has_the_requester_and_the_time_of_the_request() -> None:
    deadline = int(time.time() * 1000) + 5000

    outcome, _, _ = published(ended(death(), deadline=deadline))

    assert outcome is not None
    assert outcome.asked is not None
    assert outcome.requested_by == "198.51.100.7"
    assert round(outcome.asked.timestamp() * 1000) == deadline - 30_000


@pytest.mark.parametrize(
    "message",
    [
        ended(death(exchange=EVENTS), user="producer"),
        ended(death(exchange=EVENTS)),
        ended(death(exchange=COMMANDS) | {"count": 4}, user="producer"),
        ended(death(exchange=EVENTS), death(exchange=COMMANDS), user="producer"),
    ],
    ids=["event", "event of the gateway user", "incremented entry", "older entry"],
)
def test_only_a_gateway_may_name_another_requester(message: Message) -> None:
    outcome, _, _ = published(message)

    assert outcome is not None
    assert outcome.requested_by == message.user_id


def test_the_newest_x_death_entry_counts() -> None:
    message = ended(death("expired"), death("rejected"))
    message.headers.update({"x-first-death-reason": "rejected", "x-delivery-count": 7})

    outcome, letter, _ = published(message)

    assert outcome is not None
    assert outcome.result is Result.EXPIRED
    assert letter is None


@pytest.mark.parametrize(
    "deaths",
    [
        [],
        ["x"],
        [{}],
        [death(reason=5)],
        [death(queue=b"\xff")],
        [death(queue="machinist.k8s.queries")],
        [death(queue="machinist.k8s.commands.8")],
        [death(queue="machinist.K8S.commands.0")],
        [death(queue=f"{QUEUE}.more")],
    ],
    ids=["none", "text", "empty", "reason", "bytes", "queries", "slot", "provider", "more"],
)
def test_a_message_that_is_not_from_a_partition_becomes_a_dead_letter(deaths: list[Any]) -> None:
    outcome, letter, _ = published(ended(*deaths))

    assert outcome is None
    assert letter is not None
    assert "did not come from a partition" in str(letter.headers["reason"])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(
    deaths=st.one_of(
        anything,
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "reason": st.text() | st.sampled_from(["expired", "maxlen"]),
                    "queue": st.just(QUEUE) | anything,
                    "exchange": st.sampled_from([COMMANDS, EVENTS, ""]) | anything,
                    "time": anything,
                    "original-expiration": st.text("0123456789", max_size=40) | anything,
                },
            )
        ),
    ),
    key=st.text(),
    identity=st.text(),
    deadline=anything,
    trace=anything,
)
def test_any_message_is_recorded(
    deaths: Any, key: str, identity: str, deadline: Any, trace: Any
) -> None:
    headers = {"x-death": deaths, "deadline": deadline, "traceparent": trace}
    message = msgspec.structs.replace(
        ended(), key=key, message_id=identity, headers=headers, timestamp=2**62
    )

    expiry(message, USER)
    assert published(message)[2]


NOW = datetime.now(UTC).replace(microsecond=0)
TTL = timedelta(minutes=10)
CLOCK_SKEW = timedelta(seconds=10)


def since(message: Message) -> timedelta:
    """Return the time between the earliest possible publish and the dead-lettering."""
    expired = expiry(message, USER)
    assert expired is not None
    assert (expired.provider, expired.identity) == ("k8s-eu1", "c1")
    return NOW - expired.since


def test_the_lookup_begins_at_the_publishers_timestamp() -> None:
    """A command may wait behind others and in a worker for longer than its TTL."""
    deadline = (NOW - timedelta(seconds=40)).timestamp() * 1000
    message = ended(death() | {"time": NOW}, deadline=int(deadline))

    assert since(message) == timedelta(seconds=70) + CLOCK_SKEW


def test_without_a_timestamp_the_lookup_covers_the_partition_ttl() -> None:
    assert since(ended(death() | {"time": NOW})) == TTL + CLOCK_SKEW


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(hours=1), timedelta(seconds=30)),
        (-timedelta(days=20_000), timedelta(minutes=40)),
    ],
    ids=["future", "long ago"],
)
def test_the_lookup_is_bounded_if_a_publishers_clock_is_wrong(
    asked: timedelta, waited: timedelta
) -> None:
    message = ended(death() | {"time": NOW})
    message = msgspec.structs.replace(message, timestamp=int((NOW + asked).timestamp()))

    assert since(message) == waited + CLOCK_SKEW


def test_the_lookup_is_relative_to_the_dead_lettering_not_to_the_recording() -> None:
    ago = timedelta(hours=5)

    assert since(ended(death() | {"time": NOW - ago})) == ago + TTL + CLOCK_SKEW


@pytest.mark.parametrize(
    "message", [ended(death("rejected")), ended(death(queue="other")), ended()]
)
def test_only_a_command_that_expired_in_a_partition_is_looked_up(
    message: Message,
) -> None:
    assert expiry(message, USER) is None


def test_an_unreadable_dead_letter_has_the_body_and_a_reason() -> None:
    letter = unreadable_dead_letter(ended(death()))

    assert (letter.exchange, letter.body) == (DEAD, ended(death()).body)
    assert "could not be read" in str(letter.headers["reason"])


def test_an_event_with_a_forged_x_death_header_is_dead() -> None:
    message = msgspec.structs.replace(ended(death(), user="billing"), exchange=EVENTS)

    outcome, letter, _ = published(message)

    assert outcome is not None
    assert (outcome.result, outcome.id, outcome.provider) == (Result.DEAD, "c1", "k8s")
    assert (outcome.requested_by, outcome.fault and outcome.fault.code) == (
        "billing",
        Code.FORBIDDEN,
    )
    assert letter is not None
    assert letter.headers["reason"] == "header x-death: expected none, only the broker writes it"
    assert expiry(message, USER) is None


@pytest.mark.parametrize(
    "message",
    [ended(death("rejected")), msgspec.structs.replace(ended(), exchange=EVENTS)],
    ids=["dead", "refused by the gate"],
)
def test_the_outcome_is_published_before_the_dead_letter(message: Message) -> None:
    _, _, messages = published(message)

    assert [each.exchange for each in messages] == [OUTCOMES, DEAD]


def test_a_refused_event_without_a_provider_in_its_key_is_only_a_dead_letter() -> None:
    message = msgspec.structs.replace(ended(death()), exchange=EVENTS, key="?.0.x")

    assert [
        each.exchange for each in records_for(message, started=None, user=USER, seals=Seals([]))
    ] == [DEAD]


def test_an_expired_check_of_a_gateway_is_not_recorded() -> None:
    check = msgspec.structs.replace(ended(death("expired", exchange=COMMANDS)), type=ATTENDANCE)

    assert records_for(check, started=None, user=USER, seals=Seals([])) == []
    assert expiry(check, USER) is None


def test_an_event_with_the_type_of_a_check_is_recorded() -> None:
    event = msgspec.structs.replace(ended(death("expired", exchange=EVENTS)), type=ATTENDANCE)

    assert published(event)[0] is not None
