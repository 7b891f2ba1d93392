"""A steady load of scalings, reads and events, and the history of its commands."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.history.audit_reader import AuditReader
from tests.history.history import ACCEPTED, Command, Fate, History
from tests.history.publishing import Producer
from tests.history.test_history import writes
from tests.producer import scale_event
from tests.stack import eventually
from tests.upgrades.service import Client, Failed, Service

SLOW_S = 2.5
"""The pause of a client whose connection is idle when the drain of its gateway ends."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The clients for each provider, and their pauses in seconds."""

    scaling: int = 5
    reading: int = 2
    events: int = 5
    pause_s: float = 0.25


class Load:
    """Clients of a service, and a producer of events, for some providers."""

    def __init__(self, service: Service, amqp_url: str, providers: Sequence[str], rates: Rates):
        self._service = service
        self._amqp_url = amqp_url
        self._providers = providers
        self._rates = rates
        self._stopping = asyncio.Event()
        self.commands: list[Command] = []
        self.failures: list[str] = []
        self.answers: Counter[str] = Counter()

    def prepare(self, sandbox: KubernetesSandbox) -> None:
        """Create the controllers that the load scales."""
        for provider in self._providers:
            for name in [*self._names(provider, "rest"), *self._names(provider, "event")]:
                # Paused, because the sandbox would otherwise start a pod for each replica.
                sandbox.add_deployment(name, replicas=0, spec={"paused": True})

    def run(self, steps: Callable[[], None]) -> None:
        """Run the load while the steps of a test run in a thread."""
        asyncio.run(self._run(steps))

    async def _run(self, steps: Callable[[], None]) -> None:
        producer = Producer(self._amqp_url)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(producer.run()),
                group.create_task(self._service.run()),
            ]
            await self._service.has_endpoints.wait()
            clients = [group.create_task(each) for each in self._clients(producer)]
            await asyncio.to_thread(steps)
            self._stopping.set()
            await asyncio.wait(clients)
            for task in background:
                task.cancel()

    def history(self, audit: AuditReader, sandbox: KubernetesSandbox) -> History:
        """Return the history, once every accepted command has ended."""
        accepted = {(each.address, each.value) for each in self.commands if each.fate in ACCEPTED}
        eventually(lambda: accepted <= audit.ended() and not audit.open_ends())
        ids = audit.requests
        known = [
            msgspec.structs.replace(each, id=ids.get((each.address, each.value)))
            for each in self.commands
        ]
        return History(known, writes(sandbox), audit.records, [])

    def _names(self, provider: str, kind: str) -> list[str]:
        number = self._rates.scaling if kind == "rest" else self._rates.events
        return [f"{provider}-{kind}-{each}" for each in range(number)]

    def _clients(self, producer: Producer) -> Iterator[Coroutine[Any, Any, None]]:
        pause_s = self._rates.pause_s
        for provider in self._providers:
            for name in self._names(provider, "rest"):
                yield self._scale(provider, name, pause_s)
            for name in self._names(provider, "event"):
                yield self._publish(provider, name, producer, pause_s)
            for _ in range(self._rates.reading):
                yield self._read(provider, pause_s)
            yield self._read(provider, SLOW_S)

    async def _scale(self, provider: str, name: str, pause_s: float) -> None:
        client, value = Client(self._service), 0
        while not self._stopping.is_set():
            value += 1
            body = json.dumps({"replicas": value}).encode()
            target = f"/{provider}/controllers/default/{name}?kind=Deployment&apiVersion=apps/v1"
            status = await self._send(client, "POST", target, body)
            fate = Fate.ANSWERED if status == 200 else Fate.OPEN
            self.commands.append(Command(address=name, value=value, fate=fate))
            await self._pause(pause_s)
        await client.close()

    async def _read(self, provider: str, pause_s: float) -> None:
        client = Client(self._service)
        while not self._stopping.is_set():
            await self._send(client, "GET", f"/{provider}/controllers/default/{provider}-rest-0")
            await self._pause(pause_s)
        await client.close()

    async def _publish(self, provider: str, name: str, producer: Producer, pause_s: float) -> None:
        value = 0
        while not self._stopping.is_set():
            value += 1
            [fate] = await producer.publish([scale_event(name, value, provider)])
            self.commands.append(Command(address=name, value=value, fate=fate))
            self.answers[f"event {fate.value}"] += 1
            if fate is not Fate.CONFIRMED:
                self.failures.append(f"event {value} for {name}: {fate.value}")
            await self._pause(pause_s)

    async def _send(
        self, client: Client, method: str, target: str, body: bytes = b""
    ) -> int | None:
        try:
            answer = await client.request(method, target, body)
        except Failed as failed:
            self.failures.append(str(failed))
            return None
        self.answers[f"{method} {answer.status}"] += 1
        if answer.status != 200:
            self.failures.append(f"{method} {target}: {answer.status} {answer.body!r:.200}")
        return answer.status

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
