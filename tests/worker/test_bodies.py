"""The bodies of waiting commands: in memory up to a limit, beyond that in a spool."""

import asyncio
import os
from typing import Any

import pytest

from contracts.topology import MIB
from tests.worker import virtual
from tests.worker.ledger import attending, busy, event
from tests.worker.scene import SECOND, scene
from worker.partitions.bodies import Bodies, Limits
from worker.partitions.intake import REDUCED_FOR_S
from worker.partitions.spool import BLOCK, Spool, SpoolError


def bodies(memory: int = 0, disk: int = MIB) -> Bodies:
    """Bodies with these limits in bytes."""
    return Bodies(Limits(memory, disk))


def is_empty(held: Bodies) -> bool:
    """Tell whether no body is stored."""
    return (held.in_memory, held.on_disk) == (0, 0)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
def test_a_body_of_any_size_is_read_as_it_was_written(size):
    spool = Spool(MIB)
    body = os.urandom(size)

    blocks = spool.put(body)
    assert spool.read(blocks, size) == body
    spool.free(blocks)


def test_free_blocks_are_used_again_and_bodies_stay_apart():
    spool = Spool(8 * BLOCK)
    first, second = (spool.put(letter * 3 * BLOCK) for letter in (b"a", b"b"))
    spool.free(first)
    third = spool.put(b"c" * 5 * BLOCK)

    assert spool.read(second, 3 * BLOCK) == b"b" * 3 * BLOCK
    assert spool.read(third, 5 * BLOCK) == b"c" * 5 * BLOCK
    with pytest.raises(SpoolError, match="32768 of 32768 bytes"):
        spool.put(b"d")
    spool.free((*second, *third))


def test_the_last_freed_body_closes_the_spool():
    spool = Spool(MIB)
    for blocks in [spool.put(b"a" * BLOCK) for _ in range(9)]:
        spool.free(blocks)

    assert spool.used == 0
    assert spool.is_closed


def test_the_error_of_an_unwritable_folder_names_the_folder(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    spool = Spool(MIB)

    with pytest.raises(SpoolError, match="/nowhere"):
        spool.put(b"a")
    assert spool.used == 0


def test_bodies_over_the_memory_limit_are_on_disk():
    held = bodies(memory=100)
    small, large = held.keep(b"a" * 60), held.keep(b"b" * 60)
    assert (held.in_memory, held.on_disk) == (60, BLOCK)
    assert [held.read(small), held.read(large)] == [b"a" * 60, b"b" * 60]

    assert held.load(large) == b"b" * 60
    assert (held.in_memory, held.on_disk) == (120, 0)
    held.drop(small)
    held.drop(large)
    assert is_empty(held)


@virtual.time
async def test_commands_whose_bodies_are_on_disk_run_in_order_with_their_bodies():
    async with attending(bodies=bodies()) as (s, w):
        for replicas in range(1, 6):
            key = {"idempotency-key": str(replicas)}
            s.last.deliver_message(event(replicas, headers=key))
        assert s.bodies.in_memory == 0
        await asyncio.sleep(10)

        assert w.called == ["1", "2", "3", "4", "5"]
        assert [name for _, name in s.last.settled] == [f"a-{n}" for n in range(1, 6)]
        assert is_empty(s.bodies)


@virtual.time
async def test_commands_on_disk_neither_supersede_nor_are_superseded():
    async with attending(bodies=bodies()) as (s, w):
        await busy(s, w)
        for replicas in (2, 3):
            s.last.deliver_message(event(replicas))
        await asyncio.sleep(10)

        assert w.called == ["1", "2", "3"]


@virtual.time
async def test_the_bodies_of_superseded_commands_are_freed():
    async with attending() as (s, w):
        await busy(s, w)
        for replicas in range(2, 50):
            s.last.deliver_message(event(replicas))
        await asyncio.sleep(10)

        assert w.called == ["1", "49"]
        assert is_empty(s.bodies)


@pytest.mark.parametrize("memory", [0, 1000, MIB])
@virtual.time
async def test_repeatedly_lost_channels_leave_no_body_behind(memory):
    async with scene(bodies=bodies(memory)) as s:
        for returns in range(6):
            for name in "abc":
                for number in range(5):
                    s.last.deliver(name, number, returns=returns)
            assert not is_empty(s.bodies)
            await asyncio.sleep(returns * 0.7 * SECOND)
            s.partition.leave()
            await asyncio.sleep(0.1)
            assert is_empty(s.bodies)


@virtual.time
async def test_a_redelivered_command_on_disk_joins_its_run():
    async with scene(bodies=bodies()) as s:
        s.platform.seconds = 5
        s.last.deliver("a")
        await asyncio.sleep(1)
        s.partition.leave()
        await asyncio.sleep(0.1)
        s.last.deliver("a", returns=1)
        await asyncio.sleep(6)

        assert s.platform.log == [("begin", "a-0"), ("end", "a-0")]
        assert s.last.settled == [("ack", "a-0")]


@virtual.time
async def test_without_room_the_prefetch_is_small_until_there_is_room_again():
    async with scene(bodies=bodies(disk=2 * BLOCK)) as s:
        s.platform.seconds = 2 * REDUCED_FOR_S
        for number in range(4):
            s.last.deliver("a", number)
        await asyncio.sleep(0.1)
        assert [channel.prefetch for channel in s.channels] == [6000, 8]
        assert is_empty(s.bodies)

        s.platform.seconds = 1
        for number in range(4):
            s.last.deliver("a", number, returns=1)
        assert s.bodies.on_disk == 0
        for _ in range(int(REDUCED_FOR_S)):
            s.fence.answered()
            await asyncio.sleep(1)
        await asyncio.sleep(0.1)
        assert [channel.prefetch for channel in s.channels] == [6000, 8, 6000]


@virtual.time
async def test_a_command_whose_body_cannot_be_read_runs_at_its_next_delivery(monkeypatch):
    async with scene(bodies=bodies()) as s:
        s.last.deliver("a", 1)
        s.last.deliver("a", 2)
        await asyncio.sleep(0.5)

        def fail(*_: Any) -> bytes:
            raise OSError("the disk failed")

        monkeypatch.setattr("os.pread", fail)
        await asyncio.sleep(1)
        assert len(s.channels) == 2
        assert s.log == ["ack a-1"]

        s.last.deliver("a", 2, returns=1)
        await asyncio.sleep(5)
        assert s.log == ["ack a-1", "ack a-2"]
