"""The spans of messages: their times, and what a malformed or forged message does to them."""

from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.observation import messaging
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from tests.observation.collector import Span, recorded

NOW = 1_700_000_000.0
TTL_S = topology.PARTITION_TTL_MS / 1000


def message(seconds_ago: float | None, **changes: Any) -> Message:
    """Return a command that was published this many seconds before NOW by its own words."""
    command = message_of(EXAMPLES["update_controller_replicas"])
    if seconds_ago is None:
        return msgspec.structs.replace(command, timestamp=None, headers={}, **changes)
    deadline = int((NOW - seconds_ago) * 1000) + 10_000
    headers = {"deadline": deadline}
    return msgspec.structs.replace(command, expiration=10_000, headers=headers, **changes)


def spans_of(command: Message) -> list[Span]:
    """Return the spans of the run of a command that was delivered at NOW."""
    with recorded() as collector, messaging.processing(command, NOW):
        pass
    return sorted(collector.spans, key=lambda span: span.started)


@pytest.mark.parametrize(
    ("seconds_ago", "waited"),
    [
        (5.0, 4.999),
        (0.0, 0.0),
        (-5.0, 0.0),
        (1e6, TTL_S),
        (None, 0.0),
    ],
    ids=["in a queue", "at once", "a clock that is ahead", "a forged deadline", "no time"],
)
def test_a_wait_begins_at_the_publish_within_the_life_of_a_message(seconds_ago, waited):
    wait, process = spans_of(message(seconds_ago))

    assert (wait.ended - wait.started) / 1e9 == pytest.approx(waited, abs=1e-4)
    assert wait.ended == int(NOW * 1e9)
    assert process.parent == wait.id
    assert process.started > wait.ended


def test_a_forged_message_adds_no_span_name():
    wait, process = spans_of(message(1.0, type="hunter2", key="\x1b.\x1b", message_id=""))

    assert (wait.name, process.name) == ("wait unknown operation", "process unknown operation")
    assert wait.attributes["machinist.operation"] == "hunter2"
    assert wait.attributes["messaging.rabbitmq.destination.routing_key"] == "\\x1b.\\x1b"
    assert "machinist.provider" not in wait.attributes
    assert "messaging.message.id" not in wait.attributes


def test_the_address_of_a_query_is_whole():
    query = message_of(EXAMPLES["get_machine"])

    assert messaging.address_in(query) == query.key.partition(".")[2]
    assert messaging.address_in(query).startswith("machines.")
