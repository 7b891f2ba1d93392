"""A partition: the commands of one slot, strictly one after another for each address."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from contracts import topology
from contracts.broker.channel import Channel, Delivery
from contracts.broker.errors import ConnectionLost
from contracts.broker.link import Connection
from contracts.wire import Message
from worker.fence import Fence
from worker.runs import Run, Runs, Verdict

log = logging.getLogger(__name__)

TAKE_OVER_S = 2.0
"""The former owner gives its runs up within one second of losing its channel."""

LAST_DELIVERY = 10

Perform = Callable[[Message, float], Coroutine[Any, Any, Verdict]]


class Held:
    """A delivery in our hands, and when it came."""

    def __init__(self, delivery: Delivery, expires_at: float) -> None:
        self.delivery = delivery
        self.expires_at = expires_at
        self.came_at = asyncio.get_running_loop().time()


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
        expires_at: Callable[[Message], float],
        perform: Perform,
    ) -> None:
        """`places` bounds the commands that run at once in the whole process.

        `perform` runs a message until a moment on the monotonic clock.
        """
        self.slot = slot
        self._queue = queue
        self._group = group
        self._runs = runs
        self._fence = fence
        self._places = places
        self._expires_at = expires_at
        self._perform = perform
        self._leaving = asyncio.Event()
        self._lanes: dict[str, deque[Held]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspects = asyncio.Lock()
        self._channel: Channel | None = None
        self._has_suspect = False
        self._is_stopping = False
        self._running = 0
        self.is_owned = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it runs or waits here."""
        return not self._lanes

    def leave(self) -> None:
        """Give the partition to whoever waits for it, and wait in turn."""
        self._leaving.set()

    def stop(self) -> None:
        """Leave for good, as soon as nothing of it runs: what waits is for another worker."""
        self._is_stopping = True
        self._leave_if_stopped()

    async def run(self, connection: Connection) -> None:
        """Consume until the connection is lost, again and again after leaving.

        A partition is left by closing its channel: after a basic.cancel the broker would activate
        the next consumer while this one still holds unsettled messages.
        """
        while not self._is_stopping:
            self._leaving.clear()
            channel = self._channel = await connection.channel()
            receive = partial(self._receive, channel)
            try:
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(channel.lost())
                    await channel.consume(self._queue, receive, prefetch=topology.PREFETCH)
                    await self._leaving.wait()
                    watch.cancel()
            finally:
                self._forget()
            await channel.close()

    def _forget(self) -> None:
        """Drop what is in our hands: the broker gives it to the next owner."""
        self._channel = None
        self.is_owned = False
        self._has_suspect = False
        self._lanes.clear()
        for task in self._tasks:
            task.cancel()

    def _receive(self, channel: Channel, delivery: Delivery) -> None:
        """Queue a delivery behind the others of its address.

        What a channel that was left still hands over is not ours any more, and its tag would settle
        another message on the present one.
        """
        if channel is not self._channel:
            return
        self.is_owned = True
        held = Held(delivery, self._expires_at(delivery.message))
        address = delivery.message.key
        lane = self._lanes.get(address)
        if lane is not None:
            lane.append(held)
            return
        lane = self._lanes[address] = deque([held])
        task = self._group.create_task(self._serve(channel, address, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: Channel, address: str, lane: deque[Held]) -> None:
        try:
            while lane:
                await self._settle(channel, lane[0])
                lane.popleft()
                self._leave_if_stopped()
        except ConnectionLost as error:
            log.debug("%s: left to the next owner: %s", address, error)
        if self._lanes.get(address) is lane:
            del self._lanes[address]

    async def _settle(self, channel: Channel, held: Held) -> None:
        delivery = held.delivery
        verdict = await (self._suspect(held) if delivery.redelivered else self._fresh(held))
        if verdict is Verdict.DEAD:
            await channel.reject(delivery)
        elif verdict is Verdict.DONE:
            await channel.ack(delivery)
        else:
            # Nothing behind it may overtake it: it comes back first, to us or to the next owner.
            self.leave()
            await asyncio.get_running_loop().create_future()

    async def _fresh(self, held: Held) -> Verdict:
        async with self._places:
            await self._fence.opened()
            return await self._outcome(self._start(held))

    async def _suspect(self, held: Held) -> Verdict:
        """A redelivered command: the former owner may be busy with it, or have died of it.

        Those run one at a time, so that what kills a worker is the first of them next time. The
        first is given up at its tenth delivery, before the broker's limit ends its neighbours too.
        """
        message = held.delivery.message
        if run := self._runs.joinable(message):
            return await self._outcome(run)
        is_first, self._has_suspect = not self._has_suspect, True
        async with self._suspects:
            if is_first and held.delivery.returns + 1 >= LAST_DELIVERY:
                log.error("%s was delivered %d times: dead", message.key, LAST_DELIVERY)
                return Verdict.DEAD
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(held.came_at + TAKE_OVER_S - now)
            return await self._fresh(held)

    async def _outcome(self, run: Run) -> Verdict:
        self._running += 1
        try:
            return await self._runs.outcome(run)
        finally:
            self._running -= 1

    def _leave_if_stopped(self) -> None:
        if self._is_stopping and not self._running:
            self.leave()

    def _start(self, held: Held) -> Run:
        message = held.delivery.message
        return self._runs.start(message, self._perform(message, held.expires_at))
