"""Repeats: a command with the idempotency key of an ended one gets its reply and is not run."""

import asyncio
from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.api import UpdateControllerReplicas
from contracts.faults import STATUS, Code, Fault
from contracts.outcomes import Result
from contracts.wire import Message, Reply
from tests.examples import EXAMPLES
from tests.worker import virtual
from tests.worker.ledger import Worker, event, request, working
from worker.partitions.repeats import MAX_BYTES, MAX_KEYS, REMEMBERED_S, End, Repeats
from worker.partitions.runs import Disposition

OPERATION = EXAMPLES["update_controller_replicas"]
OTHER = msgspec.structs.replace(OPERATION, replicas=9)
WHERE = "k8s.0.controllers.default.hello"
MIB = 1024 * 1024


class Remembered(Repeats):
    """Repeats with a settable clock and shorter calls."""

    def __init__(self) -> None:
        self.time = 100.0
        super().__init__(lambda: self.time)

    def keep(self, key: str, end: End, where: str = WHERE, operation: Any = OPERATION) -> None:
        self.remember(where, key, operation, end)

    def known(self, key: str, where: str = WHERE) -> End | None:
        return self.find(where, key, OPERATION)


def ended(identity: str = "first", status: int = 200, body: bytes = b"{}") -> End:
    """Return the end of a command."""
    return End(identity, Reply(status, body), Result.DONE)


def test_an_end_is_found_by_its_key():
    remembered = Remembered()
    remembered.keep("k", ended())

    assert remembered.known("k") == ended()
    assert remembered.known("other") is None


def test_equal_keys_of_different_addresses_are_independent():
    remembered = Remembered()
    remembered.keep("k", ended())

    assert remembered.known("k", f"{WHERE}-2") is None


def test_a_key_that_was_used_for_another_operation_is_invalid():
    remembered = Remembered()
    remembered.keep("k", ended())

    with pytest.raises(Fault) as raised:
        remembered.find(WHERE, "k", OTHER)
    assert raised.value.code is Code.INVALID
    assert raised.value.message == (
        "idempotency-key 'k': expected the command that it was first used for, first, got another"
    )


def test_two_operations_with_the_same_values_are_different():
    remembered = Remembered()
    scale = UpdateControllerReplicas(scope="s", name="n", replicas=1)
    remembered.keep("k", ended(), operation=EXAMPLES["delete_service"])

    with pytest.raises(Fault):
        remembered.find(WHERE, "k", EXAMPLES["delete_http_route"])
    with pytest.raises(Fault):
        remembered.find(WHERE, "k", scale)


def test_an_end_is_remembered_for_ten_minutes():
    remembered = Remembered()
    remembered.keep("k", ended())
    remembered.time += REMEMBERED_S

    assert REMEMBERED_S == 600
    assert remembered.known("k") is not None
    remembered.time += 0.1
    assert remembered.known("k") is None


def test_ten_thousand_ends_are_remembered_and_the_oldest_is_dropped_first():
    remembered = Remembered()
    for number in range(10_000):
        remembered.keep(str(number), ended())
    assert remembered.known("0") is not None
    remembered.keep("more", ended())

    assert MAX_KEYS == 10_000
    assert remembered.known("0") is None
    assert remembered.known("1") is not None
    assert remembered.known("more") is not None


def test_the_bodies_of_remembered_ends_have_at_most_64_mib():
    remembered = Remembered()
    body = bytes(8 * MIB)
    for number in range(8):
        remembered.keep(str(number), ended(body=body))
    assert remembered.known("0") is not None
    remembered.keep("more", ended(body=b"x"))

    assert MAX_BYTES == 64 * MIB
    assert remembered.known("0") is None
    assert remembered.known("1") is not None


def test_a_dropped_end_frees_its_bytes():
    remembered = Remembered()
    for number in range(24):
        remembered.time += REMEMBERED_S / 2
        remembered.keep("same", ended(body=bytes(8 * MIB)))
        remembered.keep(str(number), ended(body=bytes(8 * MIB)))

    assert remembered.known("same") is not None
    assert remembered.known("23") is not None


@pytest.mark.parametrize("status", sorted({200, *map(int, STATUS.values())}))
def test_only_ends_that_a_retry_cannot_change_are_remembered(status):
    remembered = Remembered()
    remembered.keep("k", ended(status=status))
    is_definite = status in {200, 501} or (400 <= status < 500 and status != 429)

    assert (remembered.known("k") is not None) is is_definite


def keyed(replicas: int, identity: str, key: str = "k", name: str = "a") -> Message:
    """Return a command with an idempotency key."""
    return request(replicas, name, message_id=identity, headers={"idempotency-key": key})


async def ran(worker: Worker, *messages: Message) -> None:
    """Run commands one after another."""
    for message in messages:
        assert await worker.run(message) is Disposition.ACKNOWLEDGE


@virtual.time
async def test_a_repeat_gets_the_first_reply_and_its_outcome_names_the_first_command():
    async with working() as w:
        await ran(w, keyed(5, "first"), keyed(5, "second"))
        first, second = w.replies
        _, done, repeat = w.outcomes

        assert len(w.provider.operations) == 1
        assert second.body == first.body
        assert second.headers == first.headers
        assert (done.result, done.repeats) == (Result.DONE, None)
        assert (repeat.id, repeat.result, repeat.repeats) == ("second", Result.DONE, "first")
        assert (repeat.before, repeat.after) == (done.before, done.after)
        assert repeat.started is None


@virtual.time
async def test_a_repeat_of_a_definite_failure_gets_the_same_failure():
    async with working() as w:
        w.failures.append(Fault(Code.NOT_FOUND, "there is none"))
        await ran(w, keyed(5, "first"), keyed(5, "second"))

        assert len(w.provider.operations) == 1
        assert w.outcomes[-1].result is Result.FAILED
        assert w.outcomes[-1].fault == w.outcomes[-2].fault
        assert w.outcomes[-1].status == 404


@pytest.mark.parametrize("code", [Code.PLATFORM_LIMITING, Code.PLATFORM_FAILED, Code.INTERNAL])
@virtual.time
async def test_a_repeat_of_a_command_without_a_definite_end_is_run(code):
    async with working() as w:
        w.failures.append(Fault(code, "not now"))
        await ran(w, keyed(5, "first"), keyed(5, "second"), keyed(5, "third"))

        assert len(w.provider.operations) == 2
        assert [each.repeats for each in w.outcomes[-2:]] == [None, "second"]


@virtual.time
async def test_a_command_with_the_key_of_another_operation_fails_and_is_not_run():
    async with working() as w:
        await ran(w, keyed(5, "first"), keyed(6, "second"), keyed(5, "third"))

        assert len(w.provider.operations) == 1
        other = w.outcomes[2]
        assert (other.result, other.status, other.repeats) == (Result.FAILED, 400, None)
        assert w.outcomes[3].repeats == "first"


@virtual.time
async def test_a_command_with_the_same_key_on_another_address_is_run():
    async with working() as w:
        await ran(w, keyed(5, "first"), keyed(5, "second", name="b"))

        assert len(w.provider.operations) == 2


@virtual.time
async def test_events_may_have_keys_and_events_without_a_key_are_always_run():
    async with working() as w:
        headers = {"idempotency-key": "k"}
        await ran(w, event(5, headers=headers), event(5, headers=headers), event(5), event(5))

        assert len(w.provider.operations) == 3
        assert w.replies == []


@virtual.time
async def test_the_redelivery_of_an_ended_command_is_not_run_and_is_not_a_repeat():
    """The run ended on the platform; its record was cut when the channel closed."""
    async with working() as w:
        w.publisher.seconds["done"] = 3600
        cut = asyncio.create_task(w.run(keyed(5, "first")))
        await asyncio.sleep(1)
        cut.cancel()
        await asyncio.wait([cut])
        w.publisher.seconds.clear()

        assert await w.run(keyed(5, "first"), redelivered=True) is Disposition.ACKNOWLEDGE
        assert len(w.provider.operations) == 1
        assert (w.outcomes[-1].result, w.outcomes[-1].repeats) == (Result.DONE, None)


@virtual.time
async def test_the_end_of_an_abandoned_run_is_not_remembered():
    async with working(is_connected=False) as w:
        w.seconds = 16
        assert await w.run(keyed(5, "first")) is Disposition.ABANDON
        w.fence.answered()
        w.seconds = 0
        await ran(w, keyed(5, "second"))

        assert len(w.provider.operations) == 2
        assert topology.OUTCOMES in {each.exchange for each in w.publisher.published}
