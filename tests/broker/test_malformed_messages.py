"""A malformed message or a deleted queue does not stop the workers of a provider."""

import struct
from typing import Any

import httpx
import msgspec

from contracts import topology
from contracts.address import SLOTS
from contracts.outcomes import Result
from contracts.wire import Message
from tests.auditor import Auditor
from tests.broker import bytes_of
from tests.broker.bytes_of import array, field, nested, short, table, text
from tests.broker.test_recorder import dead_letters, declared, recording
from tests.producer import publish, scale_event
from tests.stack import Stack, eventually

NESTED = 1000
"""With deeper nesting RabbitMQ takes seconds for one message."""


def deep() -> bytes:
    """Return nested arrays."""
    raw = b"V"
    for _ in range(NESTED):
        raw = array(raw)
    return raw


def header(name: bytes, value: bytes) -> dict[str, bytes]:
    """Return the headers property with one header."""
    return {"headers": table(field(name, value))}


LONG = text(b"a" * 130_850)
"""Fills a frame of 128 KiB together with the other properties."""

ODD: dict[str, dict[str, Any]] = {
    "a name that is not UTF-8": header(b"\xff\xfe", b"V"),
    "a text that is not UTF-8": header(b"traceparent", text(b"\xff")),
    "a long trace": header(b"traceparent", LONG),
    "a long header": header(b"a", LONG),
    "a long contract": header(b"contract", LONG),
    "long headers that are kept": {
        "headers": table(field(b"contract", b"B\x02"), field(b"a", LONG), field(b"b", b"B\x01"))
    },
    "deep nesting": header(b"a", deep()),
    "many values": header(b"a", array(*[b"V"] * 130_000)),
    "a time beyond the calendar": header(b"deadline", b"T" + b"\xff" * 8),
    "a deadline of an array": header(b"deadline", array(nested())),
    "a binary key": header(b"idempotency-key", b"x\x00\x00\x00\x01\xff"),
    "a requester of a table": header(b"requested-by", nested(field(b"\xff", b"V"))),
    "a number with a fraction": header(b"contract", b"d" + struct.pack(">d", 0.5)),
    "a count of deliveries": header(b"x-delivery-count", b"l" + struct.pack(">q", -(2**63))),
    "a count that is an array": header(b"x-delivery-count", array()),
    "a first death": header(b"x-first-death-queue", array(b"V")),
    "a first reason": header(b"x-first-death-reason", b"V"),
    "invalid headers": header(b"x-invalid-headers", text(b"x")),
    "an array of copies": header(b"CC", array()),
    "a type that is not UTF-8": {"message_type": short(b"\xff" * 255)},
    "properties that are not UTF-8": {
        name: short(b"\xff" * 255)
        for name in ("content_type", "content_encoding", "correlation_id", "reply_to", "app_id")
    },
    "numbers at their limits": {
        "priority": 255,
        "timestamp": b"\xff" * 8,
    },
}

DEATHS = {
    "a text": text(b"x"),
    "a table": nested(),
    "an array of texts": array(text(b"x")),
    "an array of empty tables": array(nested()),
    "nothing": b"V",
    "a valid x-death": array(
        nested(
            field(b"reason", text(b"expired")),
            field(b"queue", text(b"machinist.k8s.commands.0")),
            field(b"exchange", text(topology.COMMANDS.encode())),
            field(b"count", b"l" + bytes(8)),
        )
    ),
}


def in_slot(slot: int, name: str, milliseconds: int = 1) -> Message:
    """Return an event that expires in the partition of a slot.

    Its key does not match its body, which only workers check.
    """
    event = scale_event("hello", 3)
    return msgspec.structs.replace(
        event,
        key=f"k8s.{slot}.controllers.default.{name}",
        message_id=f"{slot}-{name}",
        expiration=milliseconds,
    )


def test_an_event_with_a_timestamp_in_microseconds_runs(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, [worker] = stack.serving()
    event = scale_event("hello", 6)
    host = stack.amqp_url.rpartition("/")[2]

    answer = management.post(
        f"/exchanges/{host}/{event.exchange}/publish",
        json={
            "properties": {
                "type": event.type,
                "message_id": event.message_id,
                "user_id": event.user_id,
                "timestamp": 1_790_000_000_000_000,
            },
            "routing_key": event.key,
            "payload": event.body.decode(),
            "payload_encoding": "string",
        },
    )

    assert answer.json() == {"routed": True}
    eventually(lambda: stack.sandbox.calls.writes(), what="the event has run")
    assert gateway.scale("hello", 5).status_code == 200
    assert "no connection" not in worker.log.read_text()


def test_a_deleted_partition_is_declared_and_consumed_again(
    stack: Stack, management: httpx.Client
) -> None:
    gateway, _ = stack.serving(PLT_DEADLINE_MS="commands=1000")
    eventually(lambda: gateway.scale("hello", 4).status_code == 200)
    host = stack.amqp_url.rpartition("/")[2]
    slot = scale_event("hello", 1).key.split(".")[1]

    management.delete(f"/queues/{host}/machinist.k8s.commands.{slot}").raise_for_status()

    eventually(
        lambda: gateway.scale("hello", 5).status_code == 200, what="the partition is consumed again"
    )


def test_the_heartbeat_in_the_url_is_ignored(stack: Stack, management: httpx.Client) -> None:
    """With a shorter heartbeat the broker hands over partitions before a worker's fence closes."""
    stack.gateway(PLT_AMQP_URL=f"{stack.amqp_url}?heartbeat=2")
    host = stack.amqp_url.rpartition("/")[2]

    def heartbeats() -> set[int]:
        connections = management.get(f"/vhosts/{host}/connections").json()
        return {connection["timeout"] for connection in connections if "timeout" in connection}

    eventually(heartbeats, what="the gateway is connected")
    assert heartbeats() == {10}


def test_every_message_that_the_broker_accepts_has_an_outcome_and_stops_no_worker(
    stack: Stack,
) -> None:
    gateway, [worker] = stack.serving()
    events = {what: scale_event("hello", 6) for what in ODD}
    with Auditor(stack.amqp_url) as auditor:
        sent = [(event, ODD[what]) for what, event in events.items()]
        assert bytes_of.publish(stack.amqp_url, sent) == [""] * len(sent)
        results = {what: auditor.final(event.message_id).result for what, event in events.items()}
    assert set(results.values()) <= {Result.DONE, Result.SUPERSEDED, Result.DEAD}
    assert results["a long contract"] is Result.DEAD
    assert gateway.scale("hello", 5).status_code == 200
    for process in (gateway, worker):
        assert "no connection" not in process.log.read_text()
        assert "Traceback" not in process.log.read_text()
    dead = list(results.values()).count(Result.DEAD)
    assert all(letter.headers["reason"] for letter in dead_letters(stack.amqp_url, dead))


def test_an_event_with_a_forged_x_death_header_is_dead_with_a_reason(stack: Stack) -> None:
    """With a forged x-death RabbitMQ 3.10 would stop dead-lettering for all partitions."""
    declared(stack.amqp_url)
    recording(stack)
    events = [in_slot(slot, f"forged-{slot}") for slot in range(len(DEATHS))]
    deaths = [header(b"x-death", death) for death in DEATHS.values()]
    good = [in_slot(slot, "good") for slot in range(SLOTS)]
    with Auditor(stack.amqp_url) as auditor:
        sent = [*zip(events, deaths, strict=True), *((event, {}) for event in good)]
        assert bytes_of.publish(stack.amqp_url, sent) == [""] * len(sent)

        outcomes = [auditor.final(event.message_id) for event in events]
        ends = {auditor.final(event.message_id).result for event in good}

    assert {outcome.result for outcome in outcomes} == {Result.DEAD}
    assert {outcome.fault and outcome.fault.message for outcome in outcomes} == {
        "header x-death: expected none, only the broker writes it"
    }
    letters = dead_letters(stack.amqp_url, len(events))
    assert {letter.message_id for letter in letters} == {event.message_id for event in events}
    assert ends == {Result.EXPIRED}


def test_no_other_header_stops_dead_lettering(stack: Stack) -> None:
    declared(stack.amqp_url)
    gateway = recording(stack)
    odd = [in_slot(number % SLOTS, f"odd-{number}") for number in range(len(ODD))]
    good = [in_slot(slot, "good") for slot in range(SLOTS)]
    with Auditor(stack.amqp_url) as auditor:
        sent = [*zip(odd, ODD.values(), strict=True), *((event, {}) for event in good)]
        assert bytes_of.publish(stack.amqp_url, sent) == [""] * len(sent)

        ends = {auditor.final(event.message_id).result for event in [*odd, *good]}

    assert ends == {Result.EXPIRED}
    assert "no connection" not in gateway.log.read_text()
    assert "Traceback" not in gateway.log.read_text()


def test_a_valid_event_passes_the_gate_and_one_without_a_partition_is_returned(
    stack: Stack,
) -> None:
    declared(stack.amqp_url)
    nowhere = msgspec.structs.replace(in_slot(0, "x"), key="k8s.9.controllers.default.x")

    [passed, returned] = bytes_of.publish(
        stack.amqp_url, [(in_slot(0, "x", 60_000), {}), (nowhere, {})]
    )

    assert passed == ""
    assert "NO_ROUTE" in returned or "PublishError" in returned, returned


def test_refused_events_with_one_id_are_all_dead_and_the_worker_goes_on(stack: Stack) -> None:
    gateway, [_] = stack.serving()
    event = msgspec.structs.replace(scale_event("hello", 3), message_id="same")
    names = [f"app-{number}" for number in range(12)]
    keys = {name: scale_event(name, 3).key for name in names}
    publish(
        stack.amqp_url,
        [msgspec.structs.replace(event, key=keys[name], body=b"{}") for name in names],
    )

    letters = dead_letters(stack.amqp_url, len(names))
    assert {letter.key for letter in letters} == set(keys.values())
    assert gateway.scale("hello", 4).status_code == 200
