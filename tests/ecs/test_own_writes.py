"""No query misses a command that was answered before it, over two gateways and two workers.

The gateways' memory, the workers' shared reads and the messages between them are those of the
product. The broker and the platform are models in virtual time: queues deliver in order and as late
as chance wants, and the platform is read at a random moment of each flight.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial

import pytest

from contracts.freshness import CommandCount, announcement, freshness_of, text_of
from contracts.wire import Message, Reply
from gateway.calls.known_versions import KNOWN_S, MARGIN_S, KnownVersions
from tests.worker import virtual
from worker.provider import Call
from worker.shared_reads import Limits, SharedReads

QUERY = "ecs.machines.shop"
COMMAND = "ecs.3.controllers.shop.web"
SECONDS = 2.0
ROUNDS = 40
CLIENTS = 6


class Platform:
    """A value that commands increase, and that reads return."""

    def __init__(self, chance: random.Random) -> None:
        self.value = 0
        self.reads = 0
        self._chance = chance

    async def read(self, call: Call) -> int:
        self.reads += 1
        await asyncio.sleep(self._chance.expovariate(5))
        found = self.value
        await asyncio.sleep(self._chance.expovariate(5))
        return found

    async def change(self) -> int:
        await asyncio.sleep(self._chance.expovariate(5))
        self.value += 1
        mine = self.value
        await asyncio.sleep(self._chance.expovariate(5))
        return mine


class Worker:
    """A worker that answers queries, and runs commands."""

    def __init__(self, platform: Platform, clock: Callable[[], float]) -> None:
        self.reads = SharedReads(Limits(SECONDS), clock)
        self.platform = platform
        self.commands = CommandCount()

    async def answer(self, query: Message) -> Reply:
        call = Call(virtual.now() + 3600, freshness=freshness_of(query))
        value = await self.reads.read("machines", call, self.platform.read)
        age_ms = None if call.age_s is None else int(call.age_s * 1000)
        return Reply(200, str(value).encode(), age_ms=age_ms, versions=text_of(call.shown))


class Gateway:
    """A gateway with its replies queue, which holds announcements and replies in order."""

    def __init__(self, chance: random.Random, clock: Callable[[], float]) -> None:
        self.known = KnownVersions(clock)
        self._chance = chance
        self._queue: asyncio.Queue[Callable[[], None]] = asyncio.Queue()

    def put(self, work: Callable[[], None]) -> None:
        self._queue.put_nowait(work)

    async def run(self) -> None:
        while True:
            work = await self._queue.get()
            await asyncio.sleep(self._chance.choice([0, 0, 0.05, 0.4]))
            work()

    async def query(self, worker: Callable[[], Worker]) -> int:
        """Send a query as `Rpc` does: again, if the reply is older than an announcement."""
        published_at = virtual.now()
        reply, message = await self._exchange(worker())
        if self.known.is_older(reply, message, published_at):
            reply, _ = await self._exchange(worker())
        self.known.learn(QUERY, reply)
        return int(reply.body)

    async def _exchange(self, worker: Worker) -> tuple[Reply, Message]:
        headers = self.known.required(QUERY, None).headers()
        message = Message(exchange="", key=QUERY, body=b"", type="", message_id="", headers=headers)
        await asyncio.sleep(self._chance.expovariate(20))
        reply = await worker.answer(message)
        arrived: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.put(lambda: arrived.set_result(reply))
        return await arrived, message


class Scene:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.platform = Platform(self.chance)
        self.gateways = [Gateway(self.chance, virtual.now) for _ in range(2)]
        self.workers = [Worker(self.platform, virtual.now) for _ in range(2)]
        self.queries = 0
        self.violations: list[tuple[int, int]] = []

    async def client(self) -> None:
        known = 0
        for _ in range(ROUNDS):
            if self.chance.random() < 0.5:
                known = max(known, await self.command())
            await asyncio.sleep(self.chance.choice([0, 0.1, 1]))
            found = await self.chance.choice(self.gateways).query(
                lambda: self.chance.choice(self.workers)
            )
            self.queries += 1
            if found < known:
                self.violations.append((known, found))

    async def command(self) -> int:
        """Run a command; its reply is sent once the queues of all gateways have its number."""
        worker = self.chance.choice(self.workers)
        mine = await self.platform.change()
        message = announcement("ecs.shop", worker.commands.after())
        await asyncio.sleep(self.chance.expovariate(20))
        for gateway in self.gateways:
            gateway.put(partial(gateway.known.hear, message))
        await asyncio.sleep(self.chance.expovariate(20))
        return mine


@pytest.mark.parametrize("seed", range(20))
def test_a_query_through_any_gateway_and_worker_shows_the_commands_before_it(seed: int) -> None:
    @virtual.time
    async def run() -> None:
        scene = Scene(seed)
        await asyncio.sleep(KNOWN_S + MARGIN_S + 1)  # a gateway's first minute is live
        consuming = [asyncio.create_task(each.run()) for each in scene.gateways]
        await asyncio.gather(*(scene.client() for _ in range(CLIENTS)))
        for task in consuming:
            task.cancel()

        assert scene.violations == []
        assert scene.queries == ROUNDS * CLIENTS
        assert scene.platform.reads < scene.queries * 0.7, "few reads are shared"

    run()
