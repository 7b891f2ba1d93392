"""The command path of a worker without broker and platform, with one log of its actions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from contracts import outcomes, topology
from contracts.api import UpdateControllerReplicas
from contracts.broker.channel import Delivery
from contracts.broker.errors import Rejected, Unroutable
from contracts.freshness import VERSIONS
from contracts.operation import Operation
from contracts.outcomes import Outcome, Result
from contracts.seal import Seals
from contracts.wire import HEADER_SCOPE, HEADER_STATUS, HEADER_VERSIONS, Message
from tests.examples import ANSWERS, EXAMPLES, message_of
from tests.worker import virtual
from tests.worker.providers import FullProvider
from tests.worker.scene import Scene
from worker.dispatch import Dispatch
from worker.fence import Fence
from worker.messages.clock import Clock
from worker.messages.publisher import Publisher
from worker.messages.record import Record
from worker.messages.replies import Replies
from worker.partitions.command import Command
from worker.partitions.commands import Commands
from worker.partitions.runs import Disposition, Runs
from worker.provider import Call

SLOT = 1
"""The slot of the controllers `a` and `j`."""


def event(replicas: int, name: str = "a", **changes: Any) -> Message:
    """A scale event without `reply_to`, with an id such as `a-3`."""
    properties = {"exchange": topology.EVENTS, "reply_to": None}
    return request(replicas, name, **properties | changes)


def request(replicas: int, name: str = "a", **changes: Any) -> Message:
    """A scale command with `reply_to`, with an id such as `a-3`."""
    operation = UpdateControllerReplicas(scope="default", name=name, replicas=replicas)
    return example("update_controller_replicas", operation, f"{name}-{replicas}", **changes)


def example(
    name: str, operation: Operation[Any] | None = None, identity: str = "x", **changes: Any
) -> Message:
    """A message of an operation, by default of its example, with a deadline in 60 seconds."""
    message = message_of(operation or EXAMPLES[name], message_id=identity)
    deadline = message.headers["deadline"]
    assert isinstance(deadline, int)
    headers = message.headers | {"deadline": deadline + 50_000} | changes.pop("headers", {})
    return message_of(
        operation or EXAMPLES[name],
        **{"message_id": identity, "expiration": 60_000, "headers": headers} | changes,
    )


class FakePublisher:
    """A stand-in for the publisher, with delays and failures that a test sets."""

    def __init__(self, log: list[str]) -> None:
        self.published: list[Message] = []
        self.seconds: dict[str, float] = {}
        self.refusing: set[str] = set()
        self.without_queue: set[str] = set()
        self.reconnects = 0
        self._log = log

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        """Publish; `seconds` has delays by exchange, or by the result of an outcome."""
        await asyncio.sleep(self._seconds(message))
        if message.exchange in self.refusing:
            raise Rejected("a queue is full")
        if message.exchange in self.without_queue:
            raise Unroutable(message.key)
        self.published.append(message)
        self._log.append(_line(message))

    async def reconnect(self) -> None:
        self.reconnects += 1

    def _seconds(self, message: Message) -> float:
        result = message.key.split(".")[0]
        return self.seconds.get(result, self.seconds.get(message.exchange, 0.0))


def _line(message: Message) -> str:
    if message.exchange == topology.OUTCOMES:
        outcome = outcomes.read(message)
        return f"{outcome.result} {outcome.id}"
    if message.type == VERSIONS:
        return f"versions {message.headers[HEADER_SCOPE]} {message.headers[HEADER_VERSIONS]}"
    if message.exchange == topology.REPLIES:
        return f"reply {message.headers[HEADER_STATUS]}"
    return f"dead-letter {message.message_id}"


class Worker:
    """The commands of a worker; `log` has one line per action, in order."""

    def __init__(
        self, group: asyncio.TaskGroup, provider: type[FullProvider] = FullProvider
    ) -> None:
        self.log: list[str] = []
        self.calls: list[Call] = []
        self.publisher = FakePublisher(self.log)
        self.seconds = 0.0
        self.failures: list[Exception] = []
        self.provider = provider(self._behave)
        self.runs = Runs(group)
        self.fence = Fence(self.runs.stop_all, virtual.now)
        self.fence.answered()
        publisher = cast(Publisher, self.publisher)
        self.dispatch = Dispatch("k8s", self.provider, Seals([]))
        self.commands = Commands(
            self.dispatch,
            Replies("w-1", publisher, Seals([]), group),
            Record("w-1", "k8s", publisher),
            Clock(),
            self.fence,
            self.runs,
            Seals([]),
        )

    async def _behave(self, operation: Operation[Any], call: Call) -> Any:
        wanted = getattr(operation, "replicas", operation.row.name)
        self.log.append(f"call {wanted}")
        self.calls.append(call)
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        call.observed({"replicas": 3}, {"replicas": wanted})
        return ANSWERS[operation.row.name]

    def take(self, message: Message, *, redelivered: bool = False) -> Command:
        """Return the command in a delivery from the queue of its routing key."""
        slot = int(message.key.split(".")[1])
        return self.commands.take(Delivery(message, 1, redelivered, int(redelivered)), slot)

    async def run(self, message: Message, *, redelivered: bool = False) -> Disposition:
        """Run the command in a delivery; return its disposition."""
        return await self.commands.run(self.take(message, redelivered=redelivered))

    @property
    def outcomes(self) -> list[Outcome]:
        """The published outcomes, in order."""
        return [
            outcomes.read(message)
            for message in self.publisher.published
            if message.exchange == topology.OUTCOMES
        ]

    @property
    def called(self) -> list[str]:
        """The calls of the platform, in order."""
        return [line.removeprefix("call ") for line in self.log if line.startswith("call ")]

    def results(self, identity: str) -> list[Result]:
        """Return the results of a command, record by record."""
        return [each.result for each in self.outcomes if each.id == identity]

    @property
    def final(self) -> Outcome:
        """The only final outcome."""
        (final,) = [each for each in self.outcomes if each.result is not Result.STARTED]
        return final

    @property
    def replies(self) -> list[Message]:
        """The published replies."""
        return [each for each in self.publisher.published if each.exchange == topology.REPLIES]


@asynccontextmanager
async def working(
    *, is_connected: bool = True, provider: type[FullProvider] = FullProvider
) -> AsyncIterator[Worker]:
    """Run a worker until the end of a test; if `is_connected`, the broker always answers."""
    async with asyncio.TaskGroup() as group:
        worker = Worker(group, provider)
        pulse = group.create_task(_pulse(worker.fence) if is_connected else asyncio.sleep(0))
        yield worker
        pulse.cancel()
        worker.runs.stop_all()
        worker.fence.close()


async def _pulse(fence: Fence) -> None:
    while True:
        fence.answered()
        await asyncio.sleep(2)


@asynccontextmanager
async def attending(
    *, is_connected: bool = True, **dependencies: Any
) -> AsyncIterator[tuple[Scene, Worker]]:
    """Run a worker with a consuming partition; the worker's log has acknowledgements too."""
    async with asyncio.TaskGroup() as group, working(is_connected=is_connected) as worker:
        scene = Scene(
            group,
            work=worker.commands,
            runs=worker.runs,
            fence=worker.fence,
            log=worker.log,
            slot=SLOT,
            **dependencies,
        )
        async with scene.consuming(group):
            yield scene, worker


async def busy(scene: Scene, worker: Worker, seconds: float = 1) -> None:
    """Start the event `a-1`; it and later commands run for this many seconds."""
    worker.seconds = seconds
    scene.last.deliver_message(event(1))
    await asyncio.sleep(0.1)
    assert worker.called == ["1"]
