"""Redelivered commands: their former owner may be busy with them, or have died of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from contracts.broker.channel import Delivery
from contracts.faults import Code, Fault
from worker.command import Command
from worker.lane import Held
from worker.runs import Run, Runs, Verdict

TAKE_OVER_S = 2.0
"""The former owner gives its runs up within one second of losing its channel."""

SUSPECT_RETURNS = 2
"""One redelivery is normal after a worker stops; from the second on, treat the command as a
possible poison message."""

SUSPECT_S = 5.0
"""A poison message ends a worker soon; a command that merely takes long must not hold up its
neighbours."""

LAST_DELIVERY = 10


class Work(Protocol):
    """What a partition has done with the commands that it holds."""

    def take(self, delivery: Delivery, slot: int) -> Command:
        """The command in a delivery."""

    async def run(self, command: Command) -> Verdict:
        """Run it, unless it is too late or nobody can."""

    async def supersede(self, command: Command, newer: Command) -> Verdict:
        """End it without a run."""

    async def bury(self, command: Command, fault: Fault) -> Verdict:
        """End it for good."""


class Partition(Protocol):
    """What the redelivered commands of a partition need of it."""

    def begin(self, work: Coroutine[Any, Any, Verdict]) -> asyncio.Task[Verdict]:
        """Start a task that ends with the channel."""

    async def outcome(self, held: Held, run: Run) -> Verdict:
        """Wait for the end of a run."""


class Redeliveries:
    """Runs the redelivered commands of a partition, for as long as its channel lasts."""

    def __init__(
        self,
        partition: Partition,
        runs: Runs,
        work: Work,
        fresh: Callable[[Held], Coroutine[Any, Any, Verdict]],
    ) -> None:
        """`fresh` runs a command as if it were delivered for the first time."""
        self._partition = partition
        self._runs = runs
        self._work = work
        self._fresh = fresh
        self._suspects = asyncio.Lock()
        self._has_suspect = False

    async def run(self, held: Held) -> Verdict:
        """Run a redelivered command, or join its run that is still under way in this process.

        Redelivered only once, it starts beside its neighbours when the former owner has given up.
        """
        if run := self._runs.joinable(held.message()):
            return await self._partition.outcome(held, run)
        if held.delivery.returns >= SUSPECT_RETURNS:
            return await self._suspect(held)
        await _former_owner_gave_up(held)
        return await self._fresh(held)

    async def bury(self, held: Held, fault: Callable[[Command], Fault]) -> Verdict:
        """Dead-letter a command with this fault."""
        command = held.loaded()
        run = self._runs.start(command.message, self._work.bury(command, fault(command)))
        return await self._partition.outcome(held, run)

    async def _suspect(self, held: Held) -> Verdict:
        """Run a command that was redelivered more than once.

        Such commands begin one after another, each a while after the one before or at its end, so
        that the command that kills a worker is the first of them next time. The first is
        dead-lettered at its tenth delivery, before the broker's limit ends its neighbours too.
        """
        is_first, self._has_suspect = not self._has_suspect, True
        async with self._suspects:
            if is_first and held.delivery.returns + 1 >= LAST_DELIVERY:
                return await self.bury(held, lambda command: _deadly(command.message.type))
            await _former_owner_gave_up(held)
            running = self._partition.begin(self._fresh(held))
            await asyncio.wait([running], timeout=SUSPECT_S)
        return await running


async def _former_owner_gave_up(held: Held) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(held.came_at + TAKE_OVER_S - now)


def _deadly(name: str) -> Fault:
    return Fault(
        Code.INTERNAL,
        f"{name} was given to workers {LAST_DELIVERY} times, and each of them ended or lost its "
        "connection before it was done",
    )


def orphaned(command: Command, queue: str) -> Fault:
    """The fault of a command whose queue was deleted while it waited in a worker."""
    words = f"the queue {queue} was deleted while the command waited in a worker; it was not run"
    if command.redelivered:
        return Fault(Code.PLATFORM_FAILED, f"{words}, but may have been started before")
    return Fault(Code.PROVIDER_UNATTENDED, words)
