"""A partition: the commands of one slot, strictly one after another for each address."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from contracts import topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.errors import ConnectionLost, ConsumerCancelled, NotDeclared
from contracts.broker.link import Connection
from contracts.faults import Code, Fault
from contracts.roll import Roll
from contracts.wire import Message
from worker.barrier import Barrier
from worker.commands import Command
from worker.fence import Fence
from worker.lane import Held, Lane
from worker.runs import Run, Runs, Verdict

log = logging.getLogger(__name__)

Ended = TypeVar("Ended")

TAKE_OVER_S = 2.0
"""The former owner gives its runs up within one second of losing its channel."""

SUSPECT_RETURNS = 2
"""Handed back once, it was where a worker stopped or died; twice, it may be what they die of."""

SUSPECT_S = 5.0
"""What takes a worker down does so soon; what merely takes long must not hold up its neighbours."""

RELEASE_S = 1.0
LAST_DELIVERY = 10
MISSING_S = 2.0
"""The delay before a queue that does not exist is consumed again."""


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
        places: asyncio.Semaphore,
        work: Work,
        attended: Callable[[int], None],
        tag: str,
    ) -> None:
        """`places` bounds the commands that run at once in the whole process.

        `attended` is told how many workers share the partitions, as often as a gateway says so.
        `tag` is what the management UI shows for the owner.
        """
        self._attended = attended
        self.slot = slot
        self._queue = queue
        self._group = group
        self._runs = runs
        self._fence = fence
        self._places = places
        self._work = work
        self._tag = tag
        self._leaving = asyncio.Event()
        self._gate = asyncio.Event()
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._suspects = asyncio.Lock()
        self._channel: Channel | None = None
        self._barrier: Barrier
        self._has_suspect = False
        self._is_stopping = False
        self._unsettled: set[Held] = set()
        self._suspected: set[Held] = set()
        self.is_owned = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it runs or waits here."""
        return not self._lanes

    def leave(self) -> None:
        """Give the partition to whoever waits for it, and wait in turn."""
        self._leaving.set()

    def release(self) -> None:
        """Leave though it is busy, if what runs ends within a second: start nothing so long.

        Not before what was taken over is done: it would wait anew at the next owner, and be counted
        as one more delivery of what may be innocent.
        """
        if self._suspected:
            return
        self._gate.clear()
        self._leave_if_asked()
        asyncio.get_running_loop().call_later(RELEASE_S, self._gate.set)

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
            receive = partial(self._receive, channel)
            try:
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(channel.lost())
                    await channel.consume(
                        self._queue, receive, prefetch=topology.PREFETCH, tag=self._tag
                    )
                    await self._leaving.wait()
                    watch.cancel()
            except* NotDeclared:
                await asyncio.sleep(MISSING_S)
            except* ConsumerCancelled as cancelled:
                log.warning("%s: %s", self._queue, cancelled.exceptions[0])
            finally:
                self._forget()
            if not channel.is_closed:
                await channel.close()

    def _forget(self) -> None:
        """Drop what is in our hands: the broker gives it to the next owner."""
        self._channel = None
        self.is_owned = False
        self._has_suspect = False
        self._unsettled.clear()
        self._suspected.clear()
        self._lanes.clear()
        for task in self._tasks:
            task.cancel()

    def _receive(self, channel: Channel, delivery: Delivery) -> None:
        """Queue a delivery behind the others of its address.

        What a channel that was left still hands over is not ours any more, and its tag would settle
        another message on the present one. What comes while we leave would run here and again at
        the next owner.
        """
        if channel is not self._channel or self._leaving.is_set():
            return
        self.is_owned = True
        if _is_check(delivery.message):
            self._begin(self._checked(channel, delivery))
            return
        held = Held(delivery, self._work.take(delivery, self.slot))
        if delivery.redelivered:
            self._suspected.add(held)
        address = delivery.message.key
        lane = self._lanes.get(address)
        if lane is None:
            lane = self._lanes[address] = Lane(held)
            self._begin(self._serve(channel, address, lane))
        elif older := lane.append(held):
            self._unsettled.add(older)
            lane.settle_before_next(self._begin(self._supersede(channel, older, held)))

    async def _checked(self, channel: Channel, delivery: Delivery) -> None:
        """A gateway checked that commands get here, and says how many workers are attached."""
        try:
            self._attended(msgspec.json.decode(delivery.message.body, type=Roll).workers)
        except msgspec.DecodeError as error:
            log.warning("%s: a check cannot be read: %s", self._queue, error)
        try:
            await channel.ack(delivery)
        except ConnectionLost as error:
            log.debug("%s: the next owner is checked: %s", self._queue, error)

    def _begin(self, work: Coroutine[Any, Any, Ended]) -> asyncio.Task[Ended]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, channel: Channel, address: str, lane: Lane) -> None:
        try:
            while held := lane.first:
                await lane.settled()
                verdict = await (
                    self._taken_over(held) if held.delivery.redelivered else self._fresh(held)
                )
                await self._settle(channel, held, verdict)
                lane.leave()
                self._leave_if_asked()
        except ConnectionLost as error:
            log.debug("%s: left to the next owner: %s", address, error)
            await _forever()  # until it is forgotten: what still comes must not overtake
        if self._lanes.get(address) is lane:
            del self._lanes[address]

    async def _supersede(self, channel: Channel, older: Held, newer: Held) -> None:
        """End a command without a run; a redelivery to this same process finds it ended."""
        work = self._work.supersede(older.command, newer.command)
        verdict = await self._outcome(older, self._runs.start(older.command.message, work))
        try:
            await self._settle(channel, older, verdict)
        except ConnectionLost:
            await _forever()  # until it is forgotten with those behind it
        self._leave_if_asked()

    async def _settle(self, channel: Channel, held: Held, verdict: Verdict) -> None:
        """Returns when the broker has handled it.

        A lost acknowledgement brings a command back: had the next one been run meanwhile, the
        older would be run again behind it.
        """
        if verdict is Verdict.GIVEN_UP:
            # Nothing behind it may overtake it: it comes back first, to us or to the next owner.
            self.leave()
            await _forever()
        if verdict is Verdict.DEAD:
            await channel.reject(held.delivery)
        else:
            await channel.ack(held.delivery)
        await self._barrier.passed()
        self._runs.forget(held.command.message)
        self._unsettled.discard(held)
        self._suspected.discard(held)

    async def _fresh(self, held: Held) -> Verdict:
        while True:
            await self._gate.wait()
            async with self._places:
                await self._fence.opened()
                if self._gate.is_set():
                    return await self._outcome(held, self._start(held))

    async def _taken_over(self, held: Held) -> Verdict:
        """A redelivered command: the former owner may be busy with it, or have died of it.

        Handed back only once, it starts beside its neighbours when the former owner has given up.
        """
        if run := self._runs.joinable(held.command.message):
            return await self._outcome(held, run)
        if held.delivery.returns >= SUSPECT_RETURNS:
            return await self._suspect(held)
        await _former_owner_gave_up(held)
        return await self._fresh(held)

    async def _suspect(self, held: Held) -> Verdict:
        """A command that was handed back more than once.

        Those begin one after another, each a while after the one before or at its end, so that
        what kills a worker is the first of them next time. The first is given up at its tenth
        delivery, before the broker's limit ends its neighbours too.
        """
        is_first, self._has_suspect = not self._has_suspect, True
        async with self._suspects:
            if is_first and held.delivery.returns + 1 >= LAST_DELIVERY:
                message = held.command.message
                burial = self._work.bury(held.command, _deadly(message.type))
                return await self._outcome(held, self._runs.start(message, burial))
            await _former_owner_gave_up(held)
            running = self._begin(self._fresh(held))
            await asyncio.wait([running], timeout=SUSPECT_S)
        return await running

    async def _outcome(self, held: Held, run: Run) -> Verdict:
        self._unsettled.add(held)
        return await self._runs.outcome(run)

    def _leave_if_asked(self) -> None:
        if (self._is_stopping or not self._gate.is_set()) and not self._unsettled:
            self.leave()

    def _start(self, held: Held) -> Run:
        return self._runs.start(held.command.message, self._work.run(held.command))


def _is_check(message: Message) -> bool:
    return message.type == topology.ATTENDANCE and message.exchange == topology.COMMANDS


async def _former_owner_gave_up(held: Held) -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(held.came_at + TAKE_OVER_S - now)


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


def _deadly(name: str) -> Fault:
    return Fault(
        Code.INTERNAL,
        f"{name} was given to workers {LAST_DELIVERY} times, and each of them ended or lost its "
        "connection before it was done",
    )
