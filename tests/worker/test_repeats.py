"""Repeats: a command with the key of one that has ended is answered the same and not run."""

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


class Memory(Repeats):
    """On a clock of its own, with words for what the tests do."""

    def __init__(self) -> None:
        self.time = 100.0
        super().__init__(lambda: self.time)

    def keep(self, key: str, end: End, where: str = WHERE, operation: Any = OPERATION) -> None:
        self.remember(where, key, operation, end)

    def known(self, key: str, where: str = WHERE) -> End | None:
        return self.find(where, key, OPERATION)


def ended(identity: str = "first", status: int = 200, body: bytes = b"{}") -> End:
    """An end."""
    return End(identity, Reply(status, body), Result.DONE)


def test_an_end_is_known_by_its_key():
    memory = Memory()
    memory.keep("k", ended())

    assert memory.known("k") == ended()
    assert memory.known("other") is None


def test_keys_of_other_addresses_are_other_keys():
    memory = Memory()
    memory.keep("k", ended())

    assert memory.known("k", f"{WHERE}-2") is None


def test_a_key_that_was_used_for_another_command_is_invalid():
    memory = Memory()
    memory.keep("k", ended())

    with pytest.raises(Fault) as raised:
        memory.find(WHERE, "k", OTHER)
    assert raised.value.code is Code.INVALID
    assert raised.value.message == (
        "idempotency-key 'k': expected the command that it was first used for, first, got another"
    )


def test_two_operations_with_the_same_values_are_different_commands():
    memory = Memory()
    scale = UpdateControllerReplicas(scope="s", name="n", replicas=1)
    memory.keep("k", ended(), operation=EXAMPLES["delete_service"])

    with pytest.raises(Fault):
        memory.find(WHERE, "k", EXAMPLES["delete_http_route"])
    with pytest.raises(Fault):
        memory.find(WHERE, "k", scale)


def test_an_end_is_known_for_ten_minutes():
    memory = Memory()
    memory.keep("k", ended())
    memory.time += REMEMBERED_S

    assert REMEMBERED_S == 600
    assert memory.known("k") is not None
    memory.time += 0.1
    assert memory.known("k") is None


def test_ten_thousand_ends_are_known_and_the_oldest_go_first():
    memory = Memory()
    for number in range(10_000):
        memory.keep(str(number), ended())
    assert memory.known("0") is not None
    memory.keep("more", ended())

    assert MAX_KEYS == 10_000
    assert memory.known("0") is None
    assert memory.known("1") is not None
    assert memory.known("more") is not None


def test_their_bodies_fill_64_mebibytes_at_most():
    memory = Memory()
    body = bytes(8 * MIB)
    for number in range(8):
        memory.keep(str(number), ended(body=body))
    assert memory.known("0") is not None
    memory.keep("more", ended(body=b"x"))

    assert MAX_BYTES == 64 * MIB
    assert memory.known("0") is None
    assert memory.known("1") is not None


def test_what_was_forgotten_makes_room():
    memory = Memory()
    for number in range(24):
        memory.time += REMEMBERED_S / 2
        memory.keep("same", ended(body=bytes(8 * MIB)))
        memory.keep(str(number), ended(body=bytes(8 * MIB)))

    assert memory.known("same") is not None
    assert memory.known("23") is not None


@pytest.mark.parametrize("status", sorted({200, *map(int, STATUS.values())}))
def test_only_ends_that_a_repeat_must_not_change_are_remembered(status):
    memory = Memory()
    memory.keep("k", ended(status=status))
    is_definite = status in {200, 501} or (400 <= status < 500 and status != 429)

    assert (memory.known("k") is not None) is is_definite


def keyed(replicas: int, identity: str, key: str = "k", name: str = "a") -> Message:
    """A command with a key."""
    return request(replicas, name, message_id=identity, headers={"idempotency-key": key})


async def ran(worker: Worker, *messages: Message) -> None:
    """Have them run one after another."""
    for message in messages:
        assert await worker.run(message) is Disposition.ACKNOWLEDGE


def test_a_repeat_gets_the_first_answer_and_names_the_first():
    async def test():
        async with working() as w:
            await ran(w, keyed(5, "first"), keyed(5, "second"))
            first, second = w.replies
            _, done, repeat = w.outcomes

            assert len(w.provider.asked) == 1
            assert second.body == first.body
            assert second.headers == first.headers
            assert (done.result, done.repeats) == (Result.DONE, None)
            assert (repeat.id, repeat.result, repeat.repeats) == ("second", Result.DONE, "first")
            assert (repeat.before, repeat.after) == (done.before, done.after)
            assert repeat.started is None

    virtual.run(test)


def test_a_failure_that_a_repeat_would_not_change_is_repeated_as_it_was():
    async def test():
        async with working() as w:
            w.failures.append(Fault(Code.NOT_FOUND, "there is none"))
            await ran(w, keyed(5, "first"), keyed(5, "second"))

            assert len(w.provider.asked) == 1
            assert w.outcomes[-1].result is Result.FAILED
            assert w.outcomes[-1].fault == w.outcomes[-2].fault
            assert w.outcomes[-1].status == 404

    virtual.run(test)


@pytest.mark.parametrize("code", [Code.PLATFORM_LIMITING, Code.PLATFORM_FAILED, Code.INTERNAL])
def test_a_repeat_of_what_has_no_definite_end_is_run(code):
    async def test():
        async with working() as w:
            w.failures.append(Fault(code, "not now"))
            await ran(w, keyed(5, "first"), keyed(5, "second"), keyed(5, "third"))

            assert len(w.provider.asked) == 2
            assert [each.repeats for each in w.outcomes[-2:]] == [None, "second"]

    virtual.run(test)


def test_the_key_of_another_command_fails_and_is_not_run():
    async def test():
        async with working() as w:
            await ran(w, keyed(5, "first"), keyed(6, "second"), keyed(5, "third"))

            assert len(w.provider.asked) == 1
            other = w.outcomes[2]
            assert (other.result, other.status, other.repeats) == (Result.FAILED, 400, None)
            assert w.outcomes[3].repeats == "first"

    virtual.run(test)


def test_the_same_key_on_another_address_is_another_command():
    async def test():
        async with working() as w:
            await ran(w, keyed(5, "first"), keyed(5, "second", name="b"))

            assert len(w.provider.asked) == 2

    virtual.run(test)


def test_an_event_has_keys_too_and_commands_without_one_are_always_run():
    async def test():
        async with working() as w:
            headers = {"idempotency-key": "k"}
            await ran(w, event(5, headers=headers), event(5, headers=headers), event(5), event(5))

            assert len(w.provider.asked) == 3
            assert w.replies == []

    virtual.run(test)


def test_a_redelivery_of_what_ended_here_is_not_run_again_and_repeats_nobody():
    """Its record was cut when the channel closed; the platform had answered."""

    async def test():
        async with working() as w:
            w.post.seconds["done"] = 3600
            cut = asyncio.create_task(w.run(keyed(5, "first")))
            await asyncio.sleep(1)
            cut.cancel()
            await asyncio.wait([cut])
            w.post.seconds.clear()

            assert await w.run(keyed(5, "first"), redelivered=True) is Disposition.ACKNOWLEDGE
            assert len(w.provider.asked) == 1
            assert (w.outcomes[-1].result, w.outcomes[-1].repeats) == (Result.DONE, None)

    virtual.run(test)


def test_what_was_given_up_is_not_remembered():
    async def test():
        async with working(heard=False) as w:
            w.seconds = 16
            assert await w.run(keyed(5, "first")) is Disposition.ABANDON
            w.fence.answered()
            w.seconds = 0
            await ran(w, keyed(5, "second"))

            assert len(w.provider.asked) == 2
            assert topology.OUTCOMES in {each.exchange for each in w.post.published}

    virtual.run(test)
