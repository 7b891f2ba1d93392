"""A partition: the commands of one slot, run one after another for each address."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, ConsumerCancelled, NotDeclared
from contracts.roll import workers_in
from worker.fence import Fence
from worker.partitions.barrier import Barrier
from worker.partitions.bodies import Bodies
from worker.partitions.capacity import Capacity
from worker.partitions.handover import Handover
from worker.partitions.holdings import Holdings
from worker.partitions.intake import Intake
from worker.partitions.lane import Held, Lane
from worker.partitions.redelivery import Redeliveries, Work, orphaned_fault
from worker.partitions.runs import Disposition, Run, Runs
from worker.partitions.spool import SpoolError
from worker.partitions.superseding import Superseding

log = logging.getLogger(__name__)

Ended = TypeVar("Ended")

MISSING_S = 2.0
"""The delay before a queue that does not exist is consumed again."""


class Partition:
    """Consumes one partition queue over one connection after another."""

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
        on_worker_count: Callable[[int], None],
        tag: str,
    ) -> None:
        """`capacity` and `bodies` are the limits of the whole process.

        `on_worker_count` is called with the number of workers that share the partitions, when a
        gateway sends it. `tag` is the consumer tag in the management UI.
        """
        self._on_worker_count = on_worker_count
        self.slot = slot
        self._queue = queue
        self._group = group
        self._runs = runs
        self._fence = fence
        self._capacity = capacity
        self._bodies = bodies
        self._work = work
        self._intake = Intake(queue, tag, capacity, bodies)
        self._leaving = asyncio.Event()  # set: the channel is being closed
        self._ended = asyncio.Event()  # set: not consuming
        self._ended.set()
        self._holdings = Holdings()
        self._handover = Handover(self, self._holdings)
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._channel: Channel | None = None
        self._barrier: Barrier
        self._redeliveries: Redeliveries
        self._superseding: Superseding
        self._is_orphaned = False
        self.is_owned = False
        self.handovers = 0
        """The number of times that the ownership of the partition ended."""

    @property
    def is_idle(self) -> bool:
        """True if no command of the partition runs or waits here."""
        return not self._lanes

    @property
    def held(self) -> int:
        """The number of commands that were delivered and have not ended."""
        return len(self._holdings)

    @property
    def is_consuming(self) -> bool:
        """True while the partition has a channel that is not being closed."""
        return self._channel is not None and not self._leaving.is_set()

    def leave(self) -> None:
        """Close the channel, so that the broker redelivers held commands, and consume again."""
        self._handover.close()
        self._leaving.set()

    def release(self) -> None:
        """Leave if all running commands end in a short time in which no other starts."""
        self._handover.release()

    def stop(self, patience_s: float = 0.0) -> None:
        """Leave permanently as soon as no command runs, with redelivered ones after this time."""
        self._handover.stop(patience_s)

    async def left(self) -> None:
        """Wait until the partition is not consumed here; call `stop` before."""
        await self._ended.wait()

    async def run(self, connection: Connection) -> None:
        """Consume until the connection is lost; consume again after leaving.

        A partition is left by closing its channel: after a basic.cancel the broker would activate
        the next consumer while this worker still holds unacknowledged messages.
        """
        self._ended.clear()
        try:
            await self._consume(connection)
        finally:
            self._ended.set()

    async def _consume(self, connection: Connection) -> None:
        while not self._handover.is_stopping:
            self._leaving.clear()
            self._handover.open()
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
                await self._end_orphans(connection)
            finally:
                self._forget()
            if not channel.is_closed:
                await channel.close()

    async def _end_orphans(self, connection: Connection) -> None:
        """End the commands of a deleted queue, which the broker will not redeliver.

        Running commands are finished. Waiting commands are dead-lettered: the queue may have been
        created again, with another owner that runs newer commands.
        """
        if await self._intake.has_queue(connection):
            return
        self._is_orphaned = True
        log.error("%s was deleted with %d commands held here", self._queue, self.held)
        # The task of an abandoned command never ends: it sets `_leaving` and waits to be cancelled.
        while self._tasks and not self._leaving.is_set():
            await asyncio.wait(set(self._tasks), timeout=1.0)
        self._is_orphaned = False

    def _forget(self) -> None:
        """Drop all held commands: the broker redelivers them to the next owner."""
        self.handovers += self.is_owned
        self._channel, self.is_owned = None, False
        self._holdings.clear()
        self._lanes.clear()
        for task in self._tasks:
            task.cancel()

    def _receive(self, channel: Channel, delivery: Delivery) -> None:
        """Append a delivery to the lane of its address.

        A delivery of a former channel is ignored: its tag would acknowledge another message on the
        present channel. A delivery while the partition is being left is ignored too: the next owner
        runs the command.
        """
        if channel is not self._channel or self._leaving.is_set():
            return
        self.is_owned = True
        if (workers := workers_in(delivery.message)) is not None:
            self._on_worker_count(workers)
            self.begin(self._acknowledge(channel, delivery))
            return
        command = self._work.take(delivery, self.slot)
        try:
            held = Held(delivery, command, self._bodies, in_memory=self._intake.is_reduced)
        except SpoolError as error:
            self._reduce_prefetch(error)
            return
        self._holdings.add(held)
        address = delivery.message.key
        lane = self._lanes.get(address)
        if lane is None:
            lane = self._lanes[address] = Lane(held)
            self.begin(self._serve(channel, address, lane))
        elif older := lane.append(held):
            self._holdings.begin(older)
            self._superseding.add(lane, older, held)

    async def _acknowledge(self, channel: Channel, delivery: Delivery) -> None:
        try:
            await channel.ack(delivery)
        except ConnectionLost as error:
            log.debug("%s: the attendance check may be redelivered: %s", self._queue, error)

    def _reduce_prefetch(self, error: SpoolError) -> None:
        """Leave, then consume with a small prefetch; commands without room stay in the queue."""
        self._intake.reduce_prefetch(error)
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
                lane.remove_first()
                self._handover.leave_if_asked()
        except ConnectionLost as error:
            log.debug("%s: left to the next owner: %s", address, error)
            await _forever()  # until the task is cancelled: no later delivery may overtake
        except SpoolError as error:
            self._reduce_prefetch(error)
            await _forever()
        if self._lanes.get(address) is lane:
            del self._lanes[address]

    async def _end(self, held: Held) -> Disposition:
        if self._is_orphaned:
            fault = partial(orphaned_fault, queue=self._queue)
            return await self._redeliveries.dead_letter(held, fault)
        if held.delivery.redelivered:
            return await self._redeliveries.run(held)
        return await self._fresh(held)

    async def _supersede(self, channel: Channel, older: Held, newer: Held) -> None:
        """End a superseded command; a redelivery to this process joins this run."""
        await self._fence.recent()  # late responses are read before more is published
        work = self._work.supersede(older.command, newer.command)
        disposition = await self.outcome(older, self._runs.start(older.command.message, work))
        try:
            await self._settle(channel, older, disposition)
        except ConnectionLost:
            await _forever()  # until the task is cancelled with the partition
        self._handover.leave_if_asked()

    async def _settle(self, channel: Channel, held: Held, disposition: Disposition) -> None:
        """Acknowledge or reject a command, and wait until the broker has handled it.

        Otherwise a lost acknowledgement would have this command run again, after the next one.
        """
        if disposition is Disposition.ABANDON:
            # No later command may overtake this command, which is redelivered first.
            self.leave()
            await _forever()
        if disposition is Disposition.REJECT:
            await channel.reject(held.delivery)
        else:
            await channel.ack(held.delivery)
        await self._barrier.passed()
        self._runs.forget(held.command.message)
        self._holdings.remove(held)

    async def _fresh(self, held: Held) -> Disposition:
        while True:
            await self._handover.opened()
            async with self._capacity.running:
                await self._fence.opened()
                if not self._handover.is_open:
                    continue
                try:
                    command = held.loaded()
                except SpoolError as error:
                    self._intake.reduce_prefetch(error)
                    return Disposition.ABANDON
                run = self._runs.start(command.message, self._work.run(command))
                return await self.outcome(held, run)

    async def outcome(self, held: Held, run: Run) -> Disposition:
        """Wait for the end of a run."""
        self._holdings.begin(held)
        return await self._runs.outcome(run)


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()
