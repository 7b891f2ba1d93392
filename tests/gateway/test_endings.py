"""What is made of a message that the broker ended, whatever somebody wrote into it."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import Code
from contracts.outcomes import Outcome, Result, read
from contracts.topology import COMMANDS, DEAD, ENDED, EVENTS, OUTCOMES
from contracts.wire import Header, Message
from gateway.endings import endings, remains
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
    message: Message, *, started: bool = False
) -> tuple[Outcome | None, Message | None, list[Message]]:
    """The outcome, the dead letter, and both as they came."""
    messages = endings(message, started=started, user=USER)
    records = [read(each) for each in messages if each.exchange == OUTCOMES]
    letters = [each for each in messages if each.exchange == DEAD]
    assert len(records) + len(letters) == len(messages)
    return next(iter(records), None), next(iter(letters), None), messages


@pytest.mark.parametrize(
    ("reason", "started", "result", "code", "words"),
    [
        ("expired", False, Result.EXPIRED, Code.DEADLINE_EXCEEDED, "never started"),
        ("expired", True, Result.UNKNOWN, Code.DEADLINE_EXCEEDED, "may or may not"),
        ("delivery_limit", False, Result.DEAD, Code.PLATFORM_FAILED, "more than 20 times"),
        ("delivery_limit", True, Result.DEAD, Code.PLATFORM_FAILED, "more than 20 times"),
        ("rejected", False, Result.DEAD, Code.PLATFORM_FAILED, "rejected it"),
        ("maxlen", False, Result.DEAD, Code.QUEUE_FULL, "full"),
        ("whatever comes", False, Result.DEAD, Code.PLATFORM_FAILED, "whatever comes"),
    ],
)
def test_each_cause_has_its_result_and_words(
    reason: str, started: bool, result: Result, code: Code, words: str
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
    ids=repr,
)
def test_what_came_from_no_partition_is_put_to_the_dead(deaths: list[Any]) -> None:
    outcome, letter, _ = published(ended(*deaths))

    assert outcome is None
    assert letter is not None
    assert "no partition" in str(letter.headers["reason"])


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

    assert published(message)[2]


def test_the_remains_of_a_message_are_its_body_and_a_reason() -> None:
    letter = remains(ended(death()))

    assert (letter.exchange, letter.body) == (DEAD, ended(death()).body)
    assert "could not be read" in str(letter.headers["reason"])
