"""The balance: a worker with more than its share of the partitions gives some away, bit by bit."""

import asyncio
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
from tests.worker.providers import Everything
from worker.partitions.balance import BALANCE_S
from worker.provider import Call

NAMES = {0: "e", 1: "a", 2: "f", 3: "b", 4: "g", 5: "c", 6: "d", 7: "k"}
"""A controller in each slot."""


class Taking:
    """A provider whose answers take so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(self, operation: Operation[Any], call: Call) -> Any:
        await asyncio.sleep(self.seconds)
        return ANSWERS[operation.row.name]


def deliver(broker: Broker, slot: int, number: int = 0) -> None:
    """Deliver an event of the slot: it is owned from then on."""
    message = event(number, NAMES[slot])
    broker.delivered.add(queue(slot))
    broker.consumers[queue(slot)](Delivery(message, 1, False, 0))


def queue(slot: int) -> str:
    """The queue of a slot."""
    return topology.partition_queue("k8s", slot)


def check(workers: int) -> Message:
    """A gateway's check of a partition, which says how many workers are attached."""
    return Message(
        exchange=topology.COMMANDS,
        key=f"k8s.0.{topology.ATTENDANCE}",
        body=msgspec.json.encode(Roll(workers)),
        type=topology.ATTENDANCE,
        message_id="check",
    )


async def hold(broker: Broker, workers: int, seconds: float) -> None:
    """Let time pass, in which the broker answers and gateways tell so many workers."""
    kept = next(slot for slot in NAMES if queue(slot) in broker.delivered)
    for _ in range(round(seconds)):
        broker.answered(0.0)
        if queue(kept) not in broker.left:
            broker.consumers[queue(kept)](Delivery(check(workers), 0, False, 0))
        await asyncio.sleep(1)


@pytest.mark.parametrize(("workers", "kept"), [(1, 8), (2, 4), (3, 3), (4, 2), (7, 2), (8, 1)])
def test_idle_partitions_beyond_the_share_are_left_and_no_more(workers, kept):
    async def test():
        broker = Broker()
        async with consuming(Everything(Taking(0)), broker):
            await asyncio.sleep(0.1)
            for slot in range(8):
                deliver(broker, slot)
            await hold(broker, workers, 30)

            assert len(broker.left) == len(set(broker.left)) == 8 - kept
            assert len(broker.acked) == 8

    virtual.run(test)


def test_one_is_left_at_a_time():
    async def test():
        broker = Broker()
        async with consuming(Everything(Taking(0)), broker):
            await asyncio.sleep(0.1)
            for slot in range(8):
                deliver(broker, slot)
            left = []
            for _ in range(3):
                await hold(broker, 2, BALANCE_S)
                left.append(len(broker.left))

            assert left == [1, 2, 3]

    virtual.run(test)


def test_idle_ones_are_left_rather_than_busy_ones():
    async def test():
        broker = Broker()
        async with consuming(Everything(Taking(50)), broker):
            await asyncio.sleep(0.1)
            for slot in range(4):
                deliver(broker, slot)
            broker.consumers[queue(5)](Delivery(event(1, NAMES[5], expiration=100), 1, False, 0))
            await hold(broker, 2, 3)

            assert broker.left == [queue(5)]
            assert len(broker.acked) == 1

    virtual.run(test)


def test_where_all_are_busy_one_is_left_between_two_commands():
    async def test():
        broker = Broker()
        async with consuming(Everything(Taking(0.7)), broker):
            await asyncio.sleep(0.1)
            for slot in range(5):
                broker.delivered.add(queue(slot))
                for number in range(20):
                    message = event(number, NAMES[slot], headers={"idempotency-key": f"{number}"})
                    broker.consumers[queue(slot)](Delivery(message, number, False, 0))
            await hold(broker, 2, 6)

            assert len(broker.left) == 1

    virtual.run(test)


def test_where_all_are_busy_for_long_nothing_is_given_up():
    async def test():
        broker = Broker()
        async with consuming(Everything(Taking(20)), broker):
            await asyncio.sleep(0.1)
            for slot in range(8):
                deliver(broker, slot)
            await hold(broker, 8, 18)
            assert broker.left == []

            await hold(broker, 1, 5)
            assert len(broker.acked) == 8

    virtual.run(test)
