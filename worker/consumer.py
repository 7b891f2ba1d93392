"""The broker side of a worker: takes queries and commands, has them run, settles them."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Literal

from contracts import topology
from contracts.address import SLOTS
from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import Declaration
from contracts.broker.errors import ConnectionLost, ConsumerCancelled, NotDeclared
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.seal import Seals
from contracts.wire import Message, bounded, reply_of
from worker.bodies import DEFAULT_LIMITS, Bodies, Limits
from worker.clock import Clock
from worker.commands import Commands
from worker.dispatch import Dispatch
from worker.examination import Refusal, too_large
from worker.fence import Fence
from worker.partition import Partition
from worker.places import Places
from worker.provider import Call
from worker.record import Record
from worker.replies import Replies
from worker.runs import Runs

log = logging.getLogger(__name__)

BALANCE_S = 2.0
MISSING_S = 2.0
"""The delay before a queue that does not exist is consumed again."""


class Consumer:
    """Consumes for one provider over whichever connection is up."""

    def __init__(
        self,
        dispatch: Dispatch,
        replies: Replies,
        record: Record,
        link: ReconnectingConnection,
        clock: Clock,
        group: asyncio.TaskGroup,
        *,
        seals: Seals,
        announce: Callable[[], None],
        concurrency: int,
        tag: str,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """`group` holds what runs; it outlives connections. `concurrency` bounds queries and
        commands, each for themselves. `announce` has gateways told of a change. `tag` is what the
        management UI shows for the consumer. `limits` bound the bodies of the commands that wait
        here.
        """
        self._dispatch = dispatch
        self._replies = replies
        self._link = link
        self._clock = clock
        self._group = group
        self._concurrency = concurrency
        self._tag = tag
        self._runs = Runs(group)
        self._fence = Fence(self._runs.stop_all)
        self._queries: set[asyncio.Task[None]] = set()
        self._announce = announce
        self._workers = 1
        self.missing: list[str] = []
        """What the worker needs on the broker, and neither finds nor may create."""
        self.state: Literal["starting", "attached", "draining", "gone"] = "starting"
        self._stopping = asyncio.Event()
        self._takes_queries = False
        self._left_queries = asyncio.Event()
        places = Places(concurrency)
        bodies = Bodies(limits)
        commands = Commands(dispatch, replies, record, clock, self._fence, self._runs, seals)
        self._partitions = [
            Partition(
                topology.partition_queue(dispatch.name, slot),
                slot,
                group=group,
                runs=self._runs,
                fence=self._fence,
                places=places,
                bodies=bodies,
                work=commands,
                attended=self._attended,
                tag=tag,
            )
            for slot in range(SLOTS)
        ]

    @property
    def owned(self) -> list[int]:
        """The slots that this worker is known to own: those that it got a command of."""
        return [partition.slot for partition in self._partitions if partition.is_owned]

    async def session(self, connection: Connection) -> None:
        """Consume over this connection until it is lost."""
        needed = topology.whole(topology.common(), topology.of_provider(self._dispatch.name))
        declaration = await self._declared(connection, needed)
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.pulse(self._fence.answered))
            group.create_task(declaration.keep(needed, self._learn))
            group.create_task(self._take_queries(connection))
            # In random order, so that workers that start together share from the start.
            for partition in random.sample(self._partitions, SLOTS):
                group.create_task(partition.run(connection))
            group.create_task(self._balance())
            self._link.ready()

    async def _declared(self, connection: Connection, needed: topology.Topology) -> Declaration:
        """Declare before anything is consumed, unless the broker does not tell of a queue.

        A frozen node that leads queues would delay the worker by seconds for each of them. A broker
        that is merely slow to create them is waited for: attached means that commands have a way.
        """
        declaration = Declaration(connection)
        try:
            self._learn(await declaration.run(needed, patient=False))
        except TimeoutError:
            log.warning("the broker does not tell of every queue: consuming without its answers")
        return declaration

    def stop(self) -> None:
        """Start no more commands; the gateways are to be told before queries are left as well."""
        self.state = "draining"
        self._fence.shut()
        for partition in self._partitions:
            partition.stop()

    async def drain(self, within: float) -> None:
        """Leave the queries and wait for what runs, at most so many seconds."""
        self._stopping.set()
        try:
            async with asyncio.timeout(within):
                if self._takes_queries:
                    await self._left_queries.wait()
                await self._runs.idle()
                while self._queries:
                    await asyncio.wait(self._queries)
        except TimeoutError:
            log.warning("gave up what still ran after %d seconds", within)
            self.abort()
        self.state = "gone"

    def abort(self) -> None:
        """Cancel everything that runs."""
        self._fence.close()
        self._runs.abandon()
        for task in self._queries:
            task.cancel()

    def _learn(self, missing: list[str]) -> None:
        for each in missing:
            if each not in self.missing:
                log.error("missing on the broker: %s", each)
        self.missing = missing

    def _announced(self, state: Literal["starting", "attached"]) -> None:
        """Tell gateways whether queries are taken; a worker that stops has told them already."""
        if self.state in ("starting", "attached"):
            self.state = state
            self._announce()

    def _attended(self, workers: int) -> None:
        self._workers = workers

    async def _balance(self) -> None:
        """Leave partitions beyond a fair share, one at a time, for those who wait for them.

        Idle ones at once; where all are busy, one in which nothing long is under way.
        """
        while True:
            await asyncio.sleep(BALANCE_S)
            owned = [partition for partition in self._partitions if partition.is_owned]
            idle = [partition for partition in owned if partition.is_idle]
            if len(owned) <= math.ceil(SLOTS / self._workers):
                continue
            if idle:
                random.choice(idle).leave()
            else:
                random.choice(owned).release()

    async def _take_queries(self, connection: Connection) -> None:
        """Consume queries until the worker stops; without their queue, look for it again."""
        queue = topology.queries_queue(self._dispatch.name)
        while not self._stopping.is_set():
            channel = await connection.channel()
            try:
                await self._consume_queries(channel, queue)
            except* NotDeclared:
                await asyncio.sleep(MISSING_S)
            except* ConsumerCancelled as cancelled:
                log.warning("%s: %s", queue, cancelled.exceptions[0])

    async def _consume_queries(self, channel: Channel, queue: str) -> None:
        receive = self._receiver(channel)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(channel.lost())
            tag = await channel.consume(queue, receive, prefetch=self._concurrency, tag=self._tag)
            self._takes_queries = True
            self._announced("attached")
            try:
                await self._stopping.wait()
                await channel.cancel(tag)
            finally:
                self._takes_queries = False
                self._announced("starting")
                self._left_queries.set()
            # The channel stays open for the acknowledgements of what still runs.
            await watch

    def _receiver(self, channel: Channel) -> Callable[[Delivery], None]:
        def receive(delivery: Delivery) -> None:
            expires_at = self._clock.expires_at(delivery.message)
            task = self._group.create_task(self._query(channel, delivery, expires_at))
            self._queries.add(task)
            task.add_done_callback(self._queries.discard)

        return receive

    async def _query(self, channel: Channel, delivery: Delivery, expires_at: float) -> None:
        if delivery.message.type != topology.ATTENDANCE:
            await self._answer(delivery.message, Call(expires_at))
        try:
            await channel.ack(delivery)
        except ConnectionLost as error:
            log.debug("another worker answers too: %s", error)

    async def _answer(self, message: Message, call: Call) -> None:
        message = bounded(message)
        try:
            if message.dropped:
                raise too_large(message)
            reply = await self._dispatch.run(message, call)
        except Refusal as refusal:
            log.warning("%s was refused: %s", message.key, refusal)
            reply = reply_of(refusal)
        await self._replies.send(message, reply, call.deadline)
