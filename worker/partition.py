"""A partition: the commands of one slot, strictly one after another for each address."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, ConsumerCancelled, NotDeclared
from contracts.roll import workers_in
from worker.barrier import Barrier
from worker.bodies import Bodies
from worker.capacity import Capacity
from worker.fence import Fence
from worker.intake import Intake
from worker.lane import Held, Lane
from worker.redelivery import Redeliveries, Work, orphaned
from worker.runs import Disposition, Run, Runs
from worker.spool import SpoolError
from worker.superseding import Superseding

log = logging.getLogger(__name__)

Ended = TypeVar("Ended")

RELEASE_S = 1.0
MISSING_S = 2.0
"""The delay before a queue that does not exist is consumed again."""


class Partition:
    """Consumes one partition queue for as long as a connection lasts."""

    def __init__(
        self,
        queue: str,
        slot: int,
        *,
        group: asyncio.TaskGroup,
        runs: Runs,
        fence: Fence,
        capacity: Capacity,
        bodies: Bodies,
        work: Work,
        attended: Callable[[int], None],
        tag: str,
    ) -> None:
        """`capacity` and `bodies` bound what the whole process runs and holds.

        `attended` is told how many workers share the partitions, as often as a gateway says so.
        `tag` is what the management UI shows for the owner.
        """
        self._attended = attended
        self.slot = slot
        self._queue = queue
        self._group = group
        self._runs = runs
        self._fence = fence
        self._capacity = capacity
        self._bodies = bodies
        self._work = work
        self._intake = Intake(queue, tag, capacity, bodies)
        self._leaving = asyncio.Event()
        self._gate = asyncio.Event()
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._channel: Channel | None = None
        self._barrier: Barrier
        self._redeliveries: Redeliveries
        self._superseding: Superseding
        self._is_stopping = False
        self._is_orphaned = False
        self._held: set[Held] = set()
        self._unsettled: set[Held] = set()
        self._suspected: set[Held] = set()
        self.is_owned = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it runs or waits here."""
        return not self._lanes

    def leave(self) -> None:
        """Give the partition to whoever waits for it, and wait in turn; start nothing more."""
        self._gate.clear()
        self._leaving.set()

    def release(self) -> None:
        """Leave though it is busy, if what runs ends within a second: start nothing so long.

        Redelivered commands are finished before: they would wait anew at the next owner, with one
        more redelivery counted.
        """
        if self._suspected:
            return
        self._gate.clear()
        self._leave_if_asked()
        asyncio.get_running_loop().call_later(RELEASE_S, self._reopen)

    def _reopen(self) -> None:
        """Go on after a release, unless the partition is being left since."""
        if not self._leaving.is_set():
            self._gate.set()

    def stop(self) -> None:
        """Leave for good, as soon as nothing of it runs: what waits is for another worker."""
        self._is_stopping = True
        self._leave_if_asked()

    async def run(self, connection: Connection) -> None:
        """Consume until the connection is lost, again and again after leaving.

        A partition is left by closing its channel: after a basic.cancel the broker would activate
        the next consumer while this one still holds unsettled messages.
        """
        while not self._is_stopping:
            self._leaving.clear()
            self._gate.set()
            channel = self._channel = await connection.channel()
            self._barrier = Barrier(channel, self._group)
            self._redeliveries = Redeliveries(self, self._runs, self._work, self._fresh)
            self._superseding = Superseding(self.begin, partial(self._supersede, channel))
            receive = partial(self._receive, channel)
            try:
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(channel.lost())
                    await self._intake.attach(channel, receive, self.leave)
                    await self._leaving.wait()
                    watch.cancel()
            except* NotDeclared:
                await asyncio.sleep(MISSING_S)
            except* ConsumerCancelled:
                await self._outlive_queue(connection)
            finally:
                self._forget()
            if not channel.is_closed:
                await channel.close()

    async def _outlive_queue(self, connection: Connection) -> None:
        """End what is held of a queue that was deleted: nobody else will get it.

        Commands that run are finished. Those that wait are dead-lettered rather than run: the queue
        may exist again, with another owner who runs newer commands.
        """
        if await self._intake.has_queue(connection):
            return
        self._is_orphaned = True
        log.error("%s was deleted: %d commands are held of it", self._queue, len(self._held))
        # A command that was given up waits to be forgotten, and so leaves the partition.
        while self._tasks and not self._leaving.is_set():
            await asyncio.wait(set(self._tasks), timeout=1.0)
        self._is_orphaned = False

    def _forget(self) -> None:
        """Drop what is held: the broker gives it to the next owner."""
        self._channel, self.is_owned = None, False
        for held in self._held:
            held.drop()
        self._held.clear()
        self._unsettled.clear()
        self._suspected.clear()
        self._lanes.clear()
        for task in self._tasks:
            task.cancel()

    def _receive(self, channel: Channel, delivery: Delivery) -> None:
        """Queue a delivery behind the others of its address.

        A delivery of a channel that was left is not ours any more: its tag would settle another
        message on the present channel. While we leave, it would run at the next owner again.
        """
        if channel is not self._channel or self._leaving.is_set():
            return
        self.is_owned = True
        if (workers := workers_in(delivery.message)) is not None:
            self._attended(workers)
            self.begin(self._acknowledge(channel, delivery))
            return
        command = self._work.take(delivery, self.slot)
        try:
            held = Held(delivery, command, self._bodies, in_memory=self._intake.takes_few)
        except SpoolError as error:
            self._take_fewer(error)
            return
        self._held.add(held)
        if delivery.redelivered:
            self._suspected.add(held)
        address = delivery.message.key
        lane = self._lanes.get(address)
        if lane is None:
            lane = self._lanes[address] = Lane(held)
            self.begin(self._serve(channel, address, lane))
        elif older := lane.append(held):
            self._unsettled.add(older)
            self._superseding.add(lane, older, held)

    async def _acknowledge(self, channel: Channel, delivery: Delivery) -> None:
        try:
            await channel.ack(delivery)
        except ConnectionLost as error:
            log.debug("%s: the next owner is checked: %s", self._queue, error)

    def _take_fewer(self, error: SpoolError) -> None:
        """Leave, and consume a few at a time for a while; what cannot be held stays queued."""
        self._intake.take_few(error)
        self.leave()

    def begin(self, work: Coroutine[Any, Any, Ended]) -> asyncio.Task[Ended]:
        """Start a task that ends with the channel."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, channel: Channel, address: str, lane: Lane) -> None:
        try:
            while held := lane.first:
                await lane.settled()
                disposition = await self._end(held)
                await self._settle(channel, held, disposition)
                lane.leave()
                self._leave_if_asked()
        except ConnectionLost as error:
            log.debug("%s: left to the next owner: %s", address, error)
            await _forever()  # until it is forgotten: what still comes must not overtake
        except SpoolError as error:
            self._take_fewer(error)
            await _forever()
        if self._lanes.get(address) is lane:
            del self._lanes[address]

    async def _end(self, held: Held) -> Disposition:
        if self._is_orphaned:
            return await self._redeliveries.dead_letter(
                held, lambda each: orphaned(each, self._queue)
            )
        if held.delivery.redelivered:
            return await self._redeliveries.run(held)
        return await self._fresh(held)

    async def _supersede(self, channel: Channel, older: Held, newer: Held) -> None:
        """End a command without a run; a redelivery to this same process finds it ended."""
        await self._fence.near()  # while the broker's answers are late, reading them comes first
        work = self._work.supersede(older.command, newer.command)
        disposition = await self.outcome(older, self._runs.start(older.command.message, work))
        try:
            await self._settle(channel, older, disposition)
        except ConnectionLost:
            await _forever()  # until it is forgotten with those behind it
        self._leave_if_asked()

    async def _settle(self, channel: Channel, held: Held, disposition: Disposition) -> None:
        """Returns when the broker has handled it.

        A lost acknowledgement brings a command back: had the next one been run meanwhile, the
        older would be run again behind it.
        """
        if disposition is Disposition.ABANDON:
            # Nothing behind it may overtake it: it comes back first, to us or to the next owner.
            self.leave()
            await _forever()
        if disposition is Disposition.REJECT:
            await channel.reject(held.delivery)
        else:
            await channel.ack(held.delivery)
        await self._barrier.passed()
        self._runs.forget(held.command.message)
        self._unsettled.discard(held)
        self._suspected.discard(held)
        if held in self._held:
            self._held.remove(held)
            held.drop()

    async def _fresh(self, held: Held) -> Disposition:
        while True:
            await self._gate.wait()
            async with self._capacity.running:
                await self._fence.opened()
                if not self._gate.is_set():
                    continue
                try:
                    command = held.loaded()
                except SpoolError as error:
                    self._intake.take_few(error)
                    return Disposition.ABANDON
                run = self._runs.start(command.message, self._work.run(command))
                return await self.outcome(held, run)

    async def outcome(self, held: Held, run: Run) -> Disposition:
        """Wait for the end of a run."""
        self._unsettled.add(held)
        return await self._runs.outcome(run)

    def _leave_if_asked(self) -> None:
        if (self._is_stopping or not self._gate.is_set()) and not self._unsettled:
            self.leave()


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
