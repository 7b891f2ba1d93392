"""The consuming side of a worker: queries and partitions over one connection, and the shutdown."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Literal

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import Declaration
from contracts.broker.reconnecting import ReconnectingConnection
from worker.fence import Fence
from worker.messages.queries import Queries
from worker.partitions.balance import Balance
from worker.partitions.partition import Partition
from worker.partitions.runs import Runs

log = logging.getLogger(__name__)


class Consumer:
    """Consumes for one provider over one connection after another."""

    def __init__(
        self,
        provider: str,
        link: ReconnectingConnection,
        queries: Queries,
        partitions: Sequence[Partition],
        balance: Balance,
        runs: Runs,
        fence: Fence,
        announce: Callable[[], None],
    ) -> None:
        """`announce` sends a changed `state` to the gateways."""
        self._provider = provider
        self._link = link
        self._queries = queries
        self._partitions = partitions
        self._balance = balance
        self._runs = runs
        self._fence = fence
        self._announce = announce
        self.missing: list[str] = []
        """The absent queues and bindings that the worker needs and has no right to create."""
        self.state: Literal["starting", "attached", "draining", "gone"] = "starting"

    @property
    def owned(self) -> list[int]:
        """The slots of the partitions from which this worker has received a command."""
        return [partition.slot for partition in self._partitions if partition.is_owned]

    async def session(self, connection: Connection) -> None:
        """Consume over a connection until it is lost."""
        needed = topology.whole(topology.common(), topology.of_provider(self._provider))
        declaration = await self._declared(connection, needed)
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.pulse(self._fence.answered))
            group.create_task(declaration.keep(needed, self._set_missing))
            group.create_task(self._queries.run(connection, self._consuming_queries))
            # In random order, so that workers that start together share the partitions at once.
            for partition in random.sample(self._partitions, len(self._partitions)):
                group.create_task(partition.run(connection))
            group.create_task(self._balance.run(self._partitions))
            self._link.ready()

    def stop(self, within: float) -> None:
        """Hand the partitions over; `drain` follows once the new state is announced.

        After half of the time `within`, redelivered commands keep no partition, so that commands
        that then run can end.
        """
        self.state = "draining"
        for partition in self._partitions:
            partition.stop(within / 2)

    async def drain(self, within: float) -> None:
        """Stop consuming; cancel operations that still run after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._queries.stop()
                for partition in self._partitions:
                    await partition.left()
                await self._runs.idle()
                await self._queries.idle()
        except TimeoutError:
            log.warning("cancelled the operations that still ran after %d seconds", within)
            self.abort()
        self.state = "gone"

    def abort(self) -> None:
        """Start no more commands, and cancel all running operations."""
        self._fence.shut()
        self._fence.close()
        self._runs.abandon()
        self._queries.abort()

    async def _declared(self, connection: Connection, needed: topology.Topology) -> Declaration:
        """Declare the topology before consuming, unless the broker does not answer for a queue.

        A frozen node would delay the worker by seconds for each queue that the node leads. The
        creation of missing queues is awaited, however slow: every command needs a bound partition
        as soon as a worker is attached.
        """
        declaration = Declaration(connection)
        try:
            self._set_missing(await declaration.run(needed, patient=False))
        except TimeoutError:
            log.warning("the broker did not answer for every queue: consuming nevertheless")
        return declaration

    def _set_missing(self, missing: list[str]) -> None:
        for each in missing:
            if each not in self.missing:
                log.error("missing on the broker: %s", each)
        self.missing = missing

    def _consuming_queries(self, is_consuming: bool) -> None:
        """Announce whether queries are consumed, unless the worker is stopping."""
        if self.state in ("starting", "attached"):
            self.state = "attached" if is_consuming else "starting"
            self._announce()
