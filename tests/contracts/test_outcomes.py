"""Outcomes and dead letters: their fields, and that they can be published for any message."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import CONTRACT, outcomes, topology, wire
from contracts.broker.publishing import frames
from contracts.faults import Code, Fault
from contracts.outcomes import Cause, Outcome, Result
from contracts.records import dead_letters
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of

SCALE = EXAMPLES["update_controller_replicas"]
DELETE = message_of(EXAMPLES["delete_controller"])
QUEUE = "machinist.k8s.commands.0"
MOMENT = datetime(2026, 5, 4, 12, 0, 0, 250_000, UTC)
LIMIT = 255
EVERYTHING = Outcome(
    id="a-1",
    result=Result.FAILED,
    operation="update_controller_replicas",
    provider="k8s",
    address="controllers.default.hello",
    requested_by="icc",
    user="gateway",
    asked=MOMENT,
    started=MOMENT,
    finished=MOMENT,
    worker="host-1",
    status=404,
    fault=Cause(Code.NOT_FOUND, "there is none"),
    before={"replicas": 3},
    after={"replicas": 5},
    superseded_by="a-2",
    repeats="a-0",
)


AT_A_GLANCE = {
    "who": "icc via gateway",
    "what": "update_controller_replicas k8s controllers.default.hello: failed 404",
    "before": '{"replicas":3}',
    "after": '{"replicas":5}',
    "why": "repeats a-0",
}


def bare(result: Result = Result.DONE) -> Outcome:
    """Return an outcome with the required fields only."""
    return Outcome(id="a-1", result=result, operation="", provider="k8s", address="x")


def outcome_of(**changes: Any) -> Outcome:
    """Return the outcome of a message with these changes."""
    return outcomes.outcome_of(message_of(SCALE, **changes), "k8s", Result.DONE)


def test_an_outcome_survives_encoding_and_decoding():
    assert outcomes.read(outcomes.message_of(EVERYTHING, "app")) == EVERYTHING
    assert outcomes.read(outcomes.message_of(bare(), "app")) == bare()


def test_the_json_of_an_outcome_is_in_camel_case_without_unset_members():
    full = msgspec.json.decode(outcomes.message_of(EVERYTHING, "app").body)
    short = msgspec.json.decode(outcomes.message_of(bare(), "app").body)

    assert (full["requestedBy"], full["supersededBy"]) == ("icc", "a-2")
    assert full["asked"] == "2026-05-04T12:00:00.250000Z"
    assert full["fault"] == {"code": "not_found", "message": "there is none"}
    assert short.keys() == {"id", "result", "operation", "provider", "address"}


def test_the_message_of_an_outcome_is_a_cloud_event():
    message = outcomes.message_of(EVERYTHING, "worker/1", "00-trace")

    assert (message.exchange, message.type, message.app_id) == (
        topology.OUTCOMES,
        "outcome",
        "worker/1",
    )
    assert message.key == "failed.k8s.controllers.default.hello"
    assert message.persistent
    assert message.correlation_id == "a-1"
    assert message.timestamp == int(MOMENT.timestamp())
    assert message.headers == {
        "contract": CONTRACT,
        "x-stream-filter-value": "controllers.default.hello",
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": "a-1",
        "cloudEvents_source": "/machinist/k8s",
        "cloudEvents_type": "machinist.command.failed",
        "cloudEvents_subject": "controllers.default.hello",
        "cloudEvents_time": "2026-05-04T12:00:00.250+00:00",
        "traceparent": "00-trace",
        **AT_A_GLANCE,
    }


def test_only_a_final_record_has_headers_for_people():
    """The record `started` is not routed to the queue that operators read."""
    assert "who" not in outcomes.message_of(bare(Result.STARTED), "app").headers


@pytest.mark.parametrize("traceparent", [None, 1])
def test_a_traceparent_that_is_not_text_is_left_out(traceparent):
    assert "traceparent" not in outcomes.message_of(bare(), "app", traceparent).headers


@pytest.mark.parametrize("result", Result)
def test_all_final_records_of_a_command_share_one_cloud_event_id(result):
    """Consumers of CloudEvents drop an event with a known id and source."""
    message = outcomes.message_of(bare(result), "app")

    expected = "a-1/started" if result is Result.STARTED else "a-1"
    assert message.headers["cloudEvents_id"] == expected
    assert message.correlation_id == "a-1"


def test_each_message_with_an_outcome_has_a_unique_message_id():
    first, second = (outcomes.message_of(EVERYTHING, "app").message_id for _ in range(2))

    assert first != second


def test_the_timestamp_of_a_record_is_the_end_of_the_command_or_else_its_start():
    later = MOMENT.replace(hour=13)
    began = msgspec.structs.replace(EVERYTHING, finished=None)
    ended = msgspec.structs.replace(EVERYTHING, finished=later)

    assert outcomes.message_of(began, "app").timestamp == int(MOMENT.timestamp())
    assert outcomes.message_of(ended, "app").timestamp == int(later.timestamp())


@pytest.mark.parametrize(
    ("exchange", "headers", "expected"),
    [
        (topology.COMMANDS, {"requested-by": "icc"}, "icc"),
        (topology.COMMANDS, {}, "someone"),
        (topology.COMMANDS, {"requested-by": 7}, "someone"),
        (topology.EVENTS, {"requested-by": "icc"}, "someone"),
        (topology.ENDED, {"requested-by": "icc"}, "someone"),
        ("", {"requested-by": "icc"}, "someone"),
    ],
)
def test_the_header_requested_by_counts_only_from_gateways(exchange, headers, expected):
    outcome = outcome_of(exchange=exchange, headers=headers, user_id="someone")

    assert (outcome.requested_by, outcome.user) == (expected, "someone")


@pytest.mark.parametrize(
    ("deadline", "expiration", "timestamp", "expected"),
    [
        (1_777_896_010_250, 10_250, 5, 1_777_896_000.0),
        (1_777_896_010_251, 10_001, 5, 1_777_896_000.25),
        (None, 10_000, 1_777_896_000, 1_777_896_000.0),
        (1_777_896_010_000, None, 1_777_896_000, 1_777_896_000.0),
        ("soon", 10_000, 1_777_896_000, 1_777_896_000.0),
        (True, 1, 1_777_896_000, 1_777_896_000.0),
        (None, None, None, None),
        (5, 10, None, None),
        (2**63 - 1, 0, None, None),
        (outcomes.MOST_S * 1000, 0, None, float(outcomes.MOST_S)),
        (None, None, outcomes.MOST_S + 1, None),
        (None, None, -1, None),
        (None, None, 0, 0.0),
    ],
)
def test_the_time_of_a_request_is_its_deadline_minus_its_expiration_or_its_timestamp(
    deadline, expiration, timestamp, expected
):
    headers = {} if deadline is None else {wire.HEADER_DEADLINE: deadline}
    asked = outcome_of(headers=headers, expiration=expiration, timestamp=timestamp).asked

    assert (asked.timestamp() if asked else None) == expected
    assert asked is None or asked.tzinfo is UTC


def test_the_id_of_a_command_without_a_message_id_is_a_digest_of_key_and_body():
    derived = outcome_of(message_id="").id

    assert derived == outcome_of(message_id="").id
    assert derived.startswith("unnamed-")
    assert derived != outcome_of(message_id="", body=b"{}").id
    assert derived != outcome_of(message_id="", key="k8s.1.x").id
    assert outcome_of(message_id="a-1").id == "a-1"


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("k8s.0.controllers.default.hello", "controllers.default.hello"),
        ("k8s.0.controllers.default.a b\n#*", "controllers.default.a-b---"),
        ("k8s.0.é", "-"),
        ("k8s.0", "0"),
        ("k8s", "k8s"),
        ("", ""),
        ("k8s.0." + "x" * 300, "x" * 200),
    ],
)
def test_the_address_is_taken_from_the_routing_key_and_made_safe(key, address):
    assert outcome_of(key=key).address == address


def test_a_fault_adds_its_status_code_and_message_to_an_outcome():
    fault = Fault(Code.CONFLICT, "changed")

    assert outcomes.failure(fault) == {"status": 409, "fault": Cause(Code.CONFLICT, "changed")}


def dead(message: Message) -> Message:
    """Return the dead letter of a message."""
    return dead_letters.dead_letter(message, "no use", QUEUE, "worker/1")


def test_a_dead_letter_has_the_properties_of_the_message_and_the_reason():
    letter = dead(DELETE)

    assert letter.exchange == topology.DEAD
    assert letter.headers == DELETE.headers | {
        "reason": "no use",
        "queue": QUEUE,
        "user": "gateway",
        "died": letter.headers["died"],
    }
    for name in ("key", "body", "type", "message_id", "content_type", "correlation_id", "reply_to"):
        assert getattr(letter, name) == getattr(DELETE, name)
    assert letter.timestamp == DELETE.timestamp
    assert letter.app_id == "worker/1"


def test_a_dead_letter_never_expires_and_is_not_copied_to_other_queues():
    copied = message_of(SCALE, headers={"CC": "k8s.0.x", "BCC": "y", "x-death": "z", "mine": 1})
    letter = dead(copied)

    assert letter.headers.keys() == {"mine", "reason", "queue", "user", "died"}
    assert (letter.user_id, letter.expiration, letter.persistent) == (None, None, True)


def test_a_dead_letter_does_not_keep_a_forged_reason_queue_or_user():
    forged = {"reason": "all is well", "queue": "none", "user": "admin", "died": "never"}
    letter = dead(message_of(SCALE, headers=forged))
    anonymous = dead(message_of(SCALE, headers=forged, user_id=None))

    died = letter.headers.pop("died")
    assert letter.headers == {"reason": "no use", "queue": QUEUE, "user": "gateway"}
    assert died != forged["died"]
    assert "user" not in anonymous.headers


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
values = st.one_of(
    texts,
    st.integers() | st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1]),
    st.booleans(),
    st.floats(),
    st.none(),
    st.binary(max_size=20),
    st.lists(st.integers()),
    st.dictionaries(st.text(max_size=3), st.integers()),
)
untrusted_messages = st.builds(
    Message,
    exchange=st.sampled_from([topology.EVENTS, topology.COMMANDS]),
    key=texts | st.just("\\xff" * LIMIT),
    body=st.binary(max_size=50),
    type=texts | st.sampled_from(sorted(EXAMPLES)),
    message_id=texts,
    content_type=texts,
    correlation_id=st.none() | texts,
    reply_to=st.none() | texts,
    expiration=st.none() | st.integers(0, 2**64),
    timestamp=st.none() | st.integers(0, outcomes.MOST_S),
    app_id=st.none() | texts,
    user_id=st.none() | texts,
    headers=st.dictionaries(texts | st.sampled_from(["deadline", "requested-by"]), values),
)


def encoded(message: Message) -> bytes:
    """Return the encoded message; raises if AMQP cannot encode it."""
    return frames(message, 1, 131_072, mandatory=False)


@given(untrusted_messages)
def test_every_dead_letter_can_be_published(message):
    assert encoded(dead(message))


@given(
    untrusted_messages,
    st.sampled_from(Result),
    st.from_regex(r"[a-z][a-z0-9-]{31}", fullmatch=True),
)
def test_the_outcome_of_every_message_can_be_published_and_read(message, result, provider):
    outcome = outcomes.outcome_of(message, provider, result)
    published = outcomes.message_of(outcome, "app", message.headers.get("traceparent"))

    assert encoded(published)
    assert outcomes.read(published) == outcome
    assert published.key.startswith(f"{result}.{provider}.")
