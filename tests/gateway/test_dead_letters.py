"""What is made of a message that the broker ended, whatever somebody wrote into it."""

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
    """What RabbitMQ 3.10 writes about one end."""
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
    """A command as it comes out of `machinist.ended`."""
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
    """The outcome, the dead letter, and both as they came."""
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
        ("whatever comes", False, Result.DEAD, Code.PLATFORM_FAILED, "whatever comes"),
    ],
)
def test_each_cause_has_its_result_and_words(
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


def test_who_asked_and_when_is_told_as_it_was_published() -> None:
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
    ids=["an event", "an event of our user", "a counted up death", "an older death"],
)
def test_nobody_but_a_gateway_says_for_whom_it_asked(message: Message) -> None:
    outcome, _, _ = published(message)

    assert outcome is not None
    assert outcome.requested_by == message.user_id


def test_the_newest_death_is_the_true_one() -> None:
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
def test_what_came_from_no_partition_is_put_to_the_dead(deaths: list[Any]) -> None:
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
def test_whatever_is_in_it_something_is_published_of_it(
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
CLOCKS = timedelta(seconds=10)


def since(message: Message) -> timedelta:
    """How long before its end a command may have been published."""
    question = expiry(message, USER)
    assert question is not None
    assert (question.provider, question.identity) == ("k8s-eu1", "c1")
    return NOW - question.since


def test_a_command_is_looked_for_from_when_its_publisher_says() -> None:
    """Behind others and in a worker's hands it may be for longer than its time to live."""
    deadline = (NOW - timedelta(seconds=40)).timestamp() * 1000
    message = ended(death() | {"time": NOW}, deadline=int(deadline))

    assert since(message) == timedelta(seconds=70) + CLOCKS


def test_who_does_not_say_when_it_was_published_may_have_waited_for_longest() -> None:
    assert since(ended(death() | {"time": NOW})) == TTL + CLOCKS


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(hours=1), timedelta(seconds=30)),
        (-timedelta(days=20_000), timedelta(minutes=40)),
    ],
    ids=["the future", "long ago"],
)
def test_a_publishers_wrong_clock_neither_hides_a_command_nor_has_all_of_the_audit_read(
    asked: timedelta, waited: timedelta
) -> None:
    message = ended(death() | {"time": NOW})
    message = msgspec.structs.replace(message, timestamp=int((NOW + asked).timestamp()))

    assert since(message) == waited + CLOCKS


def test_a_command_that_waited_for_the_recorder_is_looked_for_where_it_was() -> None:
    ago = timedelta(hours=5)

    assert since(ended(death() | {"time": NOW - ago})) == ago + TTL + CLOCKS


@pytest.mark.parametrize(
    "message", [ended(death("rejected")), ended(death(queue="other")), ended()]
)
def test_only_of_what_expired_in_a_partition_it_is_asked_whether_it_was_started(
    message: Message,
) -> None:
    assert expiry(message, USER) is None


def test_the_remains_of_a_message_are_its_body_and_a_reason() -> None:
    letter = unreadable_dead_letter(ended(death()))

    assert (letter.exchange, letter.body) == (DEAD, ended(death()).body)
    assert "could not be read" in str(letter.headers["reason"])


def test_what_the_gate_turned_away_is_dead_whatever_death_it_tells_of() -> None:
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
    ids=["dead", "turned away"],
)
def test_an_outcome_does_not_wait_for_room_among_the_dead(message: Message) -> None:
    _, _, messages = published(message)

    assert [each.exchange for each in messages] == [OUTCOMES, DEAD]


def test_what_the_gate_turned_away_under_a_key_of_nobody_is_a_dead_letter_alone() -> None:
    message = msgspec.structs.replace(ended(death()), exchange=EVENTS, key="?.0.x")

    assert [
        each.exchange for each in records_for(message, started=None, user=USER, seals=Seals([]))
    ] == [DEAD]


def test_a_gateways_check_of_a_partition_that_no_worker_consumes_leaves_no_trace() -> None:
    check = msgspec.structs.replace(ended(death("expired", exchange=COMMANDS)), type=ATTENDANCE)

    assert records_for(check, started=None, user=USER, seals=Seals([])) == []
    assert expiry(check, USER) is None


def test_a_producers_event_of_that_type_is_recorded_as_any_other() -> None:
    event = msgspec.structs.replace(ended(death("expired", exchange=EVENTS)), type=ATTENDANCE)

    assert published(event)[0] is not None
