"""A partition: strict order for each address, and the treatment of redelivered commands."""

import asyncio

import pytest

from tests.worker import virtual
from tests.worker.scene import CONCURRENCY, SECOND, Platform, scene
from worker.partitions.command import Command
from worker.partitions.redelivery import LAST_DELIVERY, SUSPECT_RETURNS, SUSPECT_S, TAKE_OVER_S
from worker.partitions.runs import ABANDON_AFTER_S, Disposition


@virtual.time
async def test_commands_of_one_address_run_in_order_beside_other_addresses():
    async with scene() as s:
        for number in range(3):
            s.last.deliver("a", number)
        s.last.deliver("b")
        await asyncio.sleep(3.5 * SECOND)

        assert s.platform.overlaps() == 2
        assert [name for _, name in s.last.settled if name[0] == "a"] == ["a-0", "a-1", "a-2"]
        assert s.platform.began_at["b-0"] == s.platform.began_at["a-0"]


@virtual.time
async def test_a_redelivered_command_starts_two_seconds_after_its_arrival():
    async with scene() as s:
        arrived_at = virtual.now()
        s.last.deliver("a", returns=1)
        s.last.deliver("b")
        await asyncio.sleep(4 * SECOND)

        assert s.platform.began_at["b-0"] - arrived_at < 0.1
        assert 1.9 <= s.platform.began_at["a-0"] - arrived_at < 2.1


@virtual.time
async def test_commands_redelivered_once_start_concurrently_after_two_seconds():
    async with scene() as s:
        arrived_at = virtual.now()
        names = [f"controller-{number}" for number in range(110)]
        for name in names:
            s.last.deliver(name, returns=1)
        await asyncio.sleep(TAKE_OVER_S - 0.1)
        assert s.platform.log == []

        await asyncio.sleep(0.1 + 2.1 * SECOND)
        assert s.platform.overlaps() == CONCURRENCY
        assert s.platform.began_at["controller-0-0"] - arrived_at == pytest.approx(TAKE_OVER_S)
        assert {name for _, name in s.last.settled} == {f"{name}-0" for name in names}


@virtual.time
async def test_commands_of_one_address_redelivered_once_keep_their_order():
    async with scene() as s:
        for number in range(3):
            s.last.deliver("a", number, returns=1)
            s.last.deliver("b", number, returns=1)
        await asyncio.sleep(TAKE_OVER_S + 3.5 * SECOND)

        settled = [name for _, name in s.last.settled]
        assert [name for name in settled if name[0] == "a"] == ["a-0", "a-1", "a-2"]
        assert [name for name in settled if name[0] == "b"] == ["b-0", "b-1", "b-2"]
        assert s.platform.overlaps() == 2


@pytest.mark.parametrize("returns", [SUSPECT_RETURNS, LAST_DELIVERY - 2])
@virtual.time
async def test_commands_redelivered_twice_or_more_run_one_at_a_time(returns):
    async with scene() as s:
        for name in "abc":
            s.last.deliver(name, returns=returns)
        await asyncio.sleep(8 * SECOND)

        assert s.platform.overlaps() == 1
        assert [name for _, name in s.last.settled] == ["a-0", "b-0", "c-0"]


@virtual.time
async def test_a_command_redelivered_once_does_not_wait_for_suspects():
    async with scene() as s:
        s.last.deliver("a", returns=2)
        s.last.deliver("b", returns=2)
        s.last.deliver("c", returns=1)
        await asyncio.sleep(8 * SECOND)

        began_at = s.platform.began_at
        assert began_at["c-0"] == began_at["a-0"]
        assert began_at["b-0"] == pytest.approx(began_at["a-0"] + SECOND)


@virtual.time
async def test_a_slow_suspect_does_not_delay_its_neighbours():
    async with scene() as s:
        s.platform.seconds = 60
        for name in "abc":
            s.last.deliver(name, returns=SUSPECT_RETURNS)
        await asyncio.sleep(TAKE_OVER_S + SUSPECT_S)
        s.fence.answered()
        await asyncio.sleep(SUSPECT_S + 1)

        assert list(s.platform.began_at) == ["a-0", "b-0", "c-0"]
        assert s.platform.overlaps() == 3

        s.partition.leave()
        await asyncio.sleep(ABANDON_AFTER_S + 0.1)
        cancelled = {name for action, name in s.platform.log if action == "cancel"}
        assert cancelled == {"a-0", "b-0", "c-0"}


@virtual.time
async def test_the_first_suspect_is_dead_at_its_tenth_delivery_and_its_neighbours_run():
    async with scene() as s:
        s.last.deliver("a", returns=9)
        s.last.deliver("b", returns=9)
        await asyncio.sleep(5 * SECOND)

        assert s.last.settled == [("ack", "a-0"), ("ack", "b-0")]
        assert ("dead_letter", "a-0") in s.platform.log
        assert ("begin", "a-0") not in s.platform.log


class Killer(Platform):
    """A worker that dies some seconds after it started the command `k-0`."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.died = asyncio.Event()
        self._after = after

    async def run(self, command: Command) -> Disposition:
        if command.message.message_id == "k-0":
            await asyncio.sleep(self._after)
            self.died.set()
            await asyncio.sleep(60)
        return await super().run(command)


async def owned(queue: dict[str, int], after: float) -> Killer:
    """Have a worker run the queued commands until it dies, or all are settled.

    Settled commands leave the queue; the others are requeued with one more redelivery.
    """
    killer = Killer(after)
    async with scene(work=killer) as s:
        for name, returns in queue.items():
            s.last.deliver(name, returns=returns)
        while not killer.died.is_set() and len(s.last.settled) < len(queue):
            s.fence.answered()
            await asyncio.sleep(0.1)
        for _, identity in s.last.settled:
            del queue[identity.removesuffix("-0")]
    for name in queue:
        queue[name] += 1
    return killer


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("after", [0.0, 0.5, 4.5])
@virtual.time
async def test_a_poison_message_is_dead_lettered_and_its_neighbours_run(before, after):
    names = ["a", "b", "c", "d", "e"]
    queue = dict.fromkeys([*names[:before], "k", *names[before:]], 0)
    workers = []
    while queue:
        workers.append(await owned(queue, after))
        assert len(workers) <= LAST_DELIVERY

    assert [worker.died.is_set() for worker in workers] == [True] * 9 + [False]
    log = [entry for worker in workers for entry in worker.log]
    assert [name for action, name in log if action == "dead_letter"] == ["k-0"]
    assert {name for action, name in log if action == "end"} == {f"{name}-0" for name in names}


@virtual.time
async def test_a_command_does_not_overtake_a_redelivered_one_of_its_address():
    async with scene() as s:
        s.last.deliver("a", 1, returns=1)
        s.last.deliver("a", 2)
        await asyncio.sleep(5 * SECOND)

        assert [name for _, name in s.last.settled] == ["a-1", "a-2"]
        assert s.platform.overlaps() == 1


@virtual.time
async def test_runs_are_abandoned_one_second_after_the_channel_closed():
    async with scene() as s:
        s.platform.seconds = 10 * SECOND
        s.last.deliver("a")
        await asyncio.sleep(2 * SECOND)

        s.partition.leave()
        await asyncio.sleep(0.9)
        assert s.platform.log == [("begin", "a-0")]
        await asyncio.sleep(0.2)
        assert s.platform.log == [("begin", "a-0"), ("cancel", "a-0")]


@virtual.time
async def test_a_redelivery_to_the_same_process_joins_the_run():
    async with scene() as s:
        s.platform.seconds = 5 * SECOND
        s.last.deliver("a")
        await asyncio.sleep(2 * SECOND)
        s.partition.leave()
        await asyncio.sleep(0.1)

        s.last.deliver("a", returns=1)
        await asyncio.sleep(5 * SECOND)

        assert len(s.channels) == 2
        assert s.platform.log == [("begin", "a-0"), ("end", "a-0")]
        assert s.last.settled == [("ack", "a-0")]


@virtual.time
async def test_no_command_starts_while_the_broker_does_not_answer():
    async with scene() as s:
        await asyncio.sleep(9 * SECOND)
        s.last.deliver("a")
        await asyncio.sleep(2 * SECOND)
        assert s.platform.log == []

        s.fence.answered()
        await asyncio.sleep(2 * SECOND)
        assert s.last.settled == [("ack", "a-0")]


@virtual.time
async def test_silence_cancels_a_run_and_no_later_command_overtakes_it():
    async with scene() as s:
        s.platform.seconds = 60 * SECOND
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(16 * SECOND)

        assert s.platform.log == [("begin", "a-1"), ("cancel", "a-1")]
        assert len(s.channels) == 2, "expected the partition to be left for a redelivery"


@virtual.time
async def test_a_partition_counts_as_owned_from_its_first_delivery_until_it_is_left():
    async with scene() as s:
        states = [(s.partition.is_owned, s.partition.is_idle)]
        s.last.deliver("a")
        states.append((s.partition.is_owned, s.partition.is_idle))
        await asyncio.sleep(2 * SECOND)
        states.append((s.partition.is_owned, s.partition.is_idle))
        s.partition.leave()
        await asyncio.sleep(0.1)
        states.append((s.partition.is_owned, s.partition.is_idle))

        assert states == [(False, True), (True, False), (True, True), (False, True)]


@virtual.time
async def test_a_delivery_of_a_former_channel_is_neither_run_nor_settled():
    """Its delivery tag would acknowledge another message on the next channel."""
    async with scene() as s:
        left = s.last
        s.partition.leave()
        await asyncio.sleep(0.1)

        left.deliver("a")
        await asyncio.sleep(3 * SECOND)

        assert len(s.channels) == 2
        assert s.platform.log == []
        assert s.last.settled == []


@virtual.time
async def test_a_stopped_partition_ends_its_runs_and_leaves_waiting_commands():
    async with scene() as s:
        s.platform.seconds = 5 * SECOND
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(2 * SECOND)
        s.partition.stop()
        await asyncio.sleep(2 * SECOND)
        assert not s.last.is_lost()

        await asyncio.sleep(2 * SECOND)
        assert s.platform.log == [("begin", "a-1"), ("end", "a-1")]
        assert s.last.settled == [("ack", "a-1")]
        assert s.last.is_lost()
        assert len(s.channels) == 1


@virtual.time
async def test_an_idle_partition_is_left_at_once_when_stopped():
    async with scene() as s:
        s.partition.stop()
        await asyncio.sleep(0.1)

        assert s.last.is_lost()
        assert len(s.channels) == 1


@virtual.time
async def test_no_command_overtakes_an_abandoned_one_while_the_fence_is_open():
    async with scene() as s:
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(0.5)
        s.runs.stop_all()
        await asyncio.sleep(3 * SECOND)

        assert s.platform.log == [("begin", "a-1"), ("cancel", "a-1")]
        assert len(s.channels) == 2


@virtual.time
async def test_the_first_suspect_is_determined_again_after_a_take_over():
    async with scene() as s:
        s.last.deliver("a", returns=8)
        await asyncio.sleep(1)
        s.partition.leave()
        await asyncio.sleep(0.1)

        s.last.deliver("a", returns=9)
        await asyncio.sleep(1)
        assert s.platform.log == [("dead_letter", "a-0")]


@virtual.time
async def test_concurrent_commands_are_limited_by_the_capacity():
    async with scene() as s:
        for number in range(CONCURRENCY + 10):
            s.last.deliver(f"controller-{number}")
        await asyncio.sleep(5 * SECOND)

        assert s.platform.overlaps() == CONCURRENCY
        assert len(s.last.settled) == CONCURRENCY + 10
