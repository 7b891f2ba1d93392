"""A partition on fake channels and a fake platform."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from contracts import wire
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost
from contracts.faults import Fault
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from tests.worker import virtual
from worker.fence import Fence
from worker.partitions.bodies import Bodies
from worker.partitions.capacity import Capacity
from worker.partitions.command import Command
from worker.partitions.partition import Partition
from worker.partitions.redelivery import Work
from worker.partitions.runs import Disposition, Runs

SECOND = 1.0
CONCURRENCY = 64


class FakeChannel:
    """A channel with deliveries from a test; records acknowledged and rejected messages."""

    def __init__(self, log: list[str]) -> None:
        self.settled: list[tuple[str, str]] = []
        self.receive: Callable[[Delivery], None] = lambda _: None
        self.prefetch: int | None = None
        self.fails_quietly = False
        self.seconds_to_leave = 0.0
        self._log = log
        self._lost = asyncio.get_running_loop().create_future()
        self._tag = 0

    async def consume(
        self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int, **_: Any
    ) -> str:
        self.receive = receive
        self.prefetch = prefetch
        return "tag"

    @property
    def is_closed(self) -> bool:
        return self._lost.done()

    async def lost(self) -> None:
        try:
            await asyncio.shield(self._lost)
        except asyncio.CancelledError:
            await asyncio.sleep(self.seconds_to_leave)
            raise
        raise ConnectionLost("lost")

    async def round_trip(self) -> None:
        if self._lost.done():
            raise ConnectionLost("lost")

    async def ack(self, delivery: Delivery) -> None:
        self._settle("ack", delivery)

    async def reject(self, delivery: Delivery) -> None:
        self._settle("reject", delivery)

    async def close(self) -> None:
        self.lose()

    def is_lost(self) -> bool:
        """Return `is_closed`, which mypy would narrow in a test that waits between assertions."""
        return self.is_closed

    def lose(self) -> None:
        """Close the channel like a lost connection."""
        if not self._lost.done():
            self._lost.set_result(None)

    def deliver(self, name: str, number: int = 0, *, returns: int = 0) -> None:
        """Deliver a command for a controller, after this many redeliveries."""
        message = message_of(
            EXAMPLES["update_controller_replicas"],
            key=f"k8s.0.controllers.default.{name}",
            message_id=f"{name}-{number}",
        )
        self.deliver_message(message, returns=returns)

    def deliver_message(self, message: Message, *, returns: int = 0) -> None:
        self._tag += 1
        self.receive(Delivery(message, self._tag, returns > 0, returns))

    def _settle(self, how: str, delivery: Delivery) -> None:
        if self._lost.done() or self.fails_quietly:
            raise ConnectionLost("lost")
        self.settled.append((how, delivery.message.message_id))
        self._log.append(f"{how} {delivery.message.message_id}")


class Platform:
    """Runs commands for `seconds` each; records their begin and end."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.began_at: dict[str, float] = {}
        self.seconds = SECOND

    def take(self, delivery: Delivery, slot: int) -> Command:
        return Command(
            delivery,
            slot,
            virtual.now() + 600,
            lambda message, _: wire.decode(message.type, message.body),
        )

    async def dead_letter(self, command: Command, fault: Fault) -> Disposition:
        self.log.append(("dead_letter", command.message.message_id))
        return Disposition.ACKNOWLEDGE

    async def supersede(self, command: Command, newer: Command) -> Disposition:
        raise AssertionError("expected no superseding: every command here has a reply_to")

    async def run(self, command: Command) -> Disposition:
        name = command.message.message_id
        self.log.append(("begin", name))
        self.began_at[name] = virtual.now()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.log.append(("cancel", name))
            raise
        self.log.append(("end", name))
        return Disposition.ACKNOWLEDGE

    @property
    def begun(self) -> list[str]:
        """The started commands, in order."""
        return [name for action, name in self.log if action == "begin"]

    def overlaps(self) -> int:
        """Return the largest number of concurrent commands."""
        running = most = 0
        for action, _ in self.log:
            running += 1 if action == "begin" else -1
            most = max(most, running)
        return most


class Scene:
    """A partition with its dependencies, its platform and every channel that it opened.

    `log` has the acknowledgements and rejections of the channels, beside other lines of a test.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        *,
        work: Work | None = None,
        runs: Runs | None = None,
        fence: Fence | None = None,
        log: list[str] | None = None,
        capacity: Capacity | None = None,
        bodies: Bodies | None = None,
        slot: int = 0,
        kind: type[FakeChannel] = FakeChannel,
    ) -> None:
        self._kind = kind
        self.channels: list[FakeChannel] = []
        self.platform = Platform()
        self.log = [] if log is None else log
        self.runs = runs or Runs(group)
        self.fence = fence or Fence(self.runs.stop_all, virtual.now)
        self.fence.answered()
        self.bodies = bodies or Bodies()
        self.partition = Partition(
            "queue",
            slot,
            group=group,
            runs=self.runs,
            fence=self.fence,
            capacity=capacity or Capacity(CONCURRENCY),
            bodies=self.bodies,
            work=work or self.platform,
            on_worker_count=lambda _: None,
            tag="worker test",
        )

    async def channel(self) -> FakeChannel:
        """Open a channel, as a connection does."""
        self.channels.append(self._kind(self.log))
        return self.channels[-1]

    @property
    def last(self) -> FakeChannel:
        return self.channels[-1]

    @asynccontextmanager
    async def consuming(self, group: asyncio.TaskGroup) -> AsyncIterator["Scene"]:
        """Run the partition."""
        consuming = group.create_task(self.partition.run(cast(Connection, self)))
        await asyncio.sleep(0.01)
        yield self
        consuming.cancel()
        self.runs.stop_all()
        self.fence.close()


@asynccontextmanager
async def scene(**dependencies: Any) -> AsyncIterator[Scene]:
    """Run a partition until the end of the test."""
    async with asyncio.TaskGroup() as group, Scene(group, **dependencies).consuming(group) as built:
        yield built
