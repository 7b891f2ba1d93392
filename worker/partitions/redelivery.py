"""Redelivered commands: the former owner may still run them, or they are poison messages."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from contracts.broker.channel import Delivery
from contracts.faults import Code, Fault
from worker.partitions.command import Command
from worker.partitions.lane import Held
from worker.partitions.runs import Disposition, Run, Runs

TAKE_OVER_S = 2.0
"""The delay of a redelivered command: the former owner abandons its runs one second after the loss
of its channel."""

SUSPECT_RETURNS = 2
"""One redelivery is normal after a worker stops; from the second on, treat the command as a
possible poison message."""

SUSPECT_S = 5.0
"""The time after which the next suspect starts: a poison message ends a worker soon, and a slow
command must not delay the others."""

LAST_DELIVERY = 10


class Work(Protocol):
    """The execution of the commands that a partition holds."""

    def take(self, delivery: Delivery, slot: int) -> Command:
        """Return the command in a delivery."""

    async def run(self, command: Command) -> Disposition:
        """Run a command, unless it is too late or invalid."""

    async def supersede(self, command: Command, newer: Command) -> Disposition:
        """End a superseded command without a run."""

    async def dead_letter(self, command: Command, fault: Fault) -> Disposition:
        """End a command as a dead letter."""


class Partition(Protocol):
    """The part of a partition that its redelivered commands use."""

    def begin(self, work: Coroutine[Any, Any, Disposition]) -> asyncio.Task[Disposition]:
        """Start a task that ends with the channel."""

    async def outcome(self, held: Held, run: Run) -> Disposition:
        """Wait for the end of a run."""


class Redeliveries:
    """The redelivered commands of a partition; lasts as long as its channel."""

    def __init__(
        self,
        partition: Partition,
        runs: Runs,
        work: Work,
        fresh: Callable[[Held], Coroutine[Any, Any, Disposition]],
    ) -> None:
        """`fresh` runs a command like one that was delivered for the first time."""
        self._partition = partition
        self._runs = runs
        self._work = work
        self._fresh = fresh
        self._suspects = asyncio.Lock()
        self._has_suspect = False

    async def run(self, held: Held) -> Disposition:
        """Run a redelivered command, or join its run in this process.

        After one redelivery the command starts beside other commands, once the former owner has
        abandoned its run.
        """
        if run := self._runs.joinable(held.message()):
            return await self._partition.outcome(held, run)
        if held.delivery.returns >= SUSPECT_RETURNS:
            return await self._suspect(held)
        await _wait_for_former_owner(held)
        return await self._fresh(held)

    async def dead_letter(self, held: Held, fault: Callable[[Command], Fault]) -> Disposition:
        """Dead-letter a command with this fault."""
        command = held.loaded()
        run = self._runs.start(command.message, self._work.dead_letter(command, fault(command)))
        return await self._partition.outcome(held, run)

    async def _suspect(self, held: Held) -> Disposition:
        """Run a possible poison message: a command that was redelivered more than once.

        Suspects start one after another, each when the previous one has ended or has run for
        SUSPECT_S. A command that kills the worker therefore is the first suspect at its next
        delivery. The first is dead-lettered at its tenth delivery, before the delivery limit ends
        its neighbours too.
        """
        is_first, self._has_suspect = not self._has_suspect, True
        async with self._suspects:
            if is_first and held.delivery.returns + 1 >= LAST_DELIVERY:
                return await self.dead_letter(
                    held, lambda command: _poison_fault(command.message.type)
                )
            await _wait_for_former_owner(held)
            running = self._partition.begin(self._fresh(held))
            await asyncio.wait([running], timeout=SUSPECT_S)
        return await running


async def _wait_for_former_owner(held: Held) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(held.arrived_at + TAKE_OVER_S - now)


def _poison_fault(name: str) -> Fault:
    return Fault(
        Code.INTERNAL,
        f"{name} was delivered to workers {LAST_DELIVERY} times, and each worker ended or lost its "
        "connection before the command was done",
    )


def orphaned_fault(command: Command, queue: str) -> Fault:
    """Return the fault of a command whose queue was deleted while it waited in a worker."""
    words = f"the queue {queue} was deleted while the command waited in a worker; it was not run"
    if command.redelivered:
        return Fault(Code.PLATFORM_FAILED, f"{words}, but may have been started before")
    return Fault(Code.PROVIDER_UNATTENDED, words)
