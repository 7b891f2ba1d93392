"""The load during the loss of a node: REST writers and readers, and event producers.

Each writer scales its own controller to rising values, through both gateways in turn. It retries as
the control plane does: after 429, 502, 503 and 504, not before `Retry-After`, with a newer value.
Event producers have their own controllers and await their confirms.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Literal

import httpx
import msgspec
from msgspec import Struct

from contracts import wire
from contracts.wire import Message
from tests.history.history import Command, Fate
from tests.history.publishing import Producer
from tests.producer import scale_event

WRITERS = 16
READERS = 4
PRODUCERS = 4
WRITE_PAUSE_S = 0.4
READ_PAUSE_S = 0.1
PRODUCE_PAUSE_S = 0.5
BURST = 3
EVENT_MS = 60_000
HTTP_TIMEOUT_S = 60
NO_ANSWER = 0
NOT_ATTEMPTED = {429, 503}
UNKNOWN_END = {NO_ANSWER, 502, 504}

Kind = Literal["command", "query"]


class RequestResult(Struct, frozen=True):
    """The result of a request; times are seconds of the Unix epoch.

    `why` is the error message.
    """

    kind: Kind
    start: float
    end: float
    status: int
    why: str = ""


class Load:
    """Sends requests and events until it is stopped, and records their results."""

    def __init__(
        self, prefix: str, gateways: list[str], amqp_url: str, *, falls_silent: bool
    ) -> None:
        """`prefix` begins all controller names; `gateways` are base URLs.

        A broker that `falls_silent` without closing connections may read an event later. A producer
        then waits for the deadline of an unconfirmed event before it publishes the next one.
        """
        self.scaled = [f"{prefix}-app-{number}" for number in range(WRITERS)]
        self.published = [f"{prefix}-event-{number}" for number in range(PRODUCERS)]
        self.asked: list[RequestResult] = []
        self.commands: list[Command] = []
        self._urls = gateways
        self._amqp_url = amqp_url
        self._open_pause_s = EVENT_MS / 1000 + 1 if falls_silent else PRODUCE_PAUSE_S
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Send until `stop`, and await the requests in flight."""
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=url, timeout=HTTP_TIMEOUT_S, trust_env=False)
                )
                for url in self._urls
            ]
            async with asyncio.TaskGroup() as group:
                for name in self.scaled:
                    group.create_task(self._write(name, itertools.cycle(clients)))
                for name in self.scaled[:READERS]:
                    group.create_task(self._read(name, itertools.cycle(clients)))
                group.create_task(self._publish())

    async def _write(self, name: str, clients: Iterator[httpx.AsyncClient]) -> None:
        for value in itertools.count(1):
            if self._stopping.is_set():
                return
            asked, after_s = await self._ask(
                "command",
                next(clients),
                f"/k8s/controllers/default/{name}",
                {"replicas": value},
            )
            self.commands.append(Command(address=name, value=value, fate=_fate(asked.status)))
            await self._pause(max(WRITE_PAUSE_S, after_s))

    async def _read(self, name: str, clients: Iterator[httpx.AsyncClient]) -> None:
        paths = f"/k8s/controllers/default/{name}", "/k8s/machines/default?labels=app%3Dhello"
        for path in itertools.cycle(paths):
            if self._stopping.is_set():
                return
            await self._ask("query", next(clients), path)
            await self._pause(READ_PAUSE_S)

    async def _ask(
        self, kind: Kind, client: httpx.AsyncClient, path: str, body: Any = None
    ) -> tuple[RequestResult, float]:
        """Send a request; return its result, and the seconds of its `Retry-After`."""
        start = time.time()
        try:
            answer = await client.request("GET" if body is None else "POST", path, json=body)
            status, after_s = answer.status_code, float(answer.headers.get("retry-after", "0"))
            why = "" if answer.is_success else str(answer.json()["message"])
        except httpx.TransportError as error:
            status, after_s, why = NO_ANSWER, 0.0, str(error)
        asked = RequestResult(kind, start, time.time(), status, why)
        self.asked.append(asked)
        return asked, after_s

    async def _publish(self) -> None:
        producer = Producer(self._amqp_url)
        staying = asyncio.create_task(producer.run())
        async with asyncio.TaskGroup() as group:
            for name in self.published:
                group.create_task(self._produce(name, producer))
        staying.cancel()
        await asyncio.wait([staying])

    async def _produce(self, name: str, producer: Producer) -> None:
        for first in itertools.count(1, BURST):
            if self._stopping.is_set():
                return
            values = range(first, first + BURST)
            fates = await producer.publish(list(_events(name, values)))
            for value, fate in zip(values, fates, strict=True):
                self.commands.append(Command(address=name, value=value, fate=fate))
            await self._pause(self._open_pause_s if Fate.OPEN in fates else PRODUCE_PAUSE_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _events(name: str, values: Iterable[int]) -> Iterator[Message]:
    """Return scale events with a deadline, in the header and as the message TTL."""
    deadline = int(time.time() * 1000) + EVENT_MS
    for value in values:
        yield msgspec.structs.replace(
            scale_event(name, value),
            expiration=EVENT_MS,
            headers={wire.HEADER_DEADLINE: deadline},
        )


def _fate(status: int) -> Fate:
    if status == httpx.codes.OK:
        return Fate.ANSWERED
    if status in NOT_ATTEMPTED:
        return Fate.REFUSED
    assert status in UNKNOWN_END, f"unexpected status {status}"
    return Fate.OPEN
