"""The balance: a worker with more than its share of the partitions gives some away, bit by bit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.operation import Operation
from contracts.roll import Roll
from contracts.wire import Message
from tests.examples import ANSWERS
from tests.worker import virtual
from tests.worker.attachment import Broker, consuming
from tests.worker.ledger import event
from tests.worker.providers import FullProvider
from worker.partitions.balance import BALANCE_S
from worker.provider import Call

NAMES = {0: "e", 1: "a", 2: "f", 3: "b", 4: "g", 5: "c", 6: "d", 7: "k"}
"""A controller in each slot."""


class Slow:
    """A behaviour that answers after this many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(self, operation: Operation[Any], call: Call) -> Any:
        await asyncio.sleep(self.seconds)
        return ANSWERS[operation.row.name]


def deliver(broker: Broker, slot: int, number: int = 0) -> None:
    """Deliver an event of a slot, whose partition the worker owns from then on."""
    message = event(number, NAMES[slot])
    broker.delivered.add(queue(slot))
    broker.consumers[queue(slot)](Delivery(message, 1, False, 0))


@asynccontextmanager
async def owning(slots: int, seconds: float) -> AsyncIterator[Broker]:
    """Run a worker that owns the first partitions, and whose commands run for these seconds."""
    broker = Broker()
    async with consuming(FullProvider(Slow(seconds)), broker):
        await asyncio.sleep(0.1)
        for slot in range(slots):
            deliver(broker, slot)
        yield broker


def queue(slot: int) -> str:
    """Return the partition queue of a slot."""
    return topology.partition_queue("k8s", slot)


def check(workers: int) -> Message:
    """A gateway's attendance check of a partition, with the number of attached workers."""
    return Message(
        exchange=topology.COMMANDS,
        key=f"k8s.0.{topology.ATTENDANCE}",
        body=msgspec.json.encode(Roll(workers)),
        type=topology.ATTENDANCE,
        message_id="check",
    )


async def hold(broker: Broker, workers: int, seconds: float) -> None:
    """Let time pass, with answers of the broker and attendance checks every second."""
    kept = next(slot for slot in NAMES if queue(slot) in broker.delivered)
    for _ in range(round(seconds)):
        broker.answered(0.0)
        if queue(kept) not in broker.left:
            broker.consumers[queue(kept)](Delivery(check(workers), 0, False, 0))
        await asyncio.sleep(1)


@pytest.mark.parametrize(("workers", "kept"), [(1, 8), (2, 4), (3, 3), (4, 2), (7, 2), (8, 1)])
@virtual.time
async def test_only_idle_partitions_beyond_the_fair_share_are_left(workers, kept):
    async with owning(8, 0) as broker:
        await hold(broker, workers, 30)

        assert len(broker.left) == len(set(broker.left)) == 8 - kept
        assert len(broker.acked) == 8


@virtual.time
async def test_partitions_are_left_one_at_a_time():
    async with owning(8, 0) as broker:
        left = []
        for _ in range(3):
            await hold(broker, 2, BALANCE_S)
            left.append(len(broker.left))

        assert left == [1, 2, 3]


@virtual.time
async def test_idle_partitions_are_left_before_busy_ones():
    async with owning(4, 50) as broker:
        broker.consumers[queue(5)](Delivery(event(1, NAMES[5], expiration=100), 1, False, 0))
        await hold(broker, 2, 3)

        assert broker.left == [queue(5)]
        assert len(broker.acked) == 1


@virtual.time
async def test_a_busy_partition_is_left_between_two_commands():
    broker = Broker()
    async with consuming(FullProvider(Slow(0.7)), broker):
        await asyncio.sleep(0.1)
        for slot in range(5):
            broker.delivered.add(queue(slot))
            for number in range(20):
                message = event(number, NAMES[slot], headers={"idempotency-key": f"{number}"})
                broker.consumers[queue(slot)](Delivery(message, number, False, 0))
        await hold(broker, 2, 6)

        assert len(broker.left) == 1


@virtual.time
async def test_partitions_with_long_commands_are_not_left():
    async with owning(8, 20) as broker:
        await hold(broker, 8, 18)
        assert broker.left == []

        await hold(broker, 1, 5)
        assert len(broker.acked) == 8
