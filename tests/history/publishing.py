"""Publishes a script with one task per address, which keeps the publish order of the address.

A task awaits the confirms of its events and the responses to its calls before the next step. The
channel orders the events of a burst. After a 429 or 503 the task sends the next value, after the
`Retry-After` of the response.
"""

import asyncio

import httpx

from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.topology import AUDIT
from contracts.wire import Message
from tests.history.history import Command, Fate
from tests.history.script import Script, Step
from tests.producer import lasting_event, scale_event

NOT_ATTEMPTED = {429, 503}
UNKNOWN_END = {502, 504}
HTTP_TIMEOUT_S = 60


class Producer:
    """The shared connection of all event producers, with reconnects."""

    def __init__(self, amqp_url: str) -> None:
        self._link = ReconnectingConnection(amqp_url, "test producer")
        self._channel: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Keep the connection open."""
        await self._link.run(self._session)

    async def publish(self, events: list[Message]) -> list[Fate]:
        """Publish events in order over one channel, and return the result of each."""
        channel = await asyncio.shield(self._channel)
        ends = await asyncio.gather(
            *(channel.publish(event, mandatory=True) for event in events), return_exceptions=True
        )
        return [_fate(end) for end in ends]

    async def _session(self, connection: Connection) -> None:
        channel = await connection.channel()
        # As deploy/producers/README.md advises: events published before the audit exists miss it.
        await channel.messages(AUDIT)
        self._channel.set_result(channel)
        self._link.ready()
        try:
            await connection.lost()
        finally:
            self._channel = asyncio.get_running_loop().create_future()


def _fate(end: BaseException | None) -> Fate:
    match end:
        case None:
            return Fate.CONFIRMED
        case ConnectionLost():
            return Fate.OPEN
        case BrokerError():
            return Fate.REFUSED
    raise end


class Publishing:
    """Runs the steps of a script, and records the commands in publish order."""

    def __init__(self, script: Script, gateways: list[str], producer: Producer) -> None:
        self._script = script
        self._producer = producer
        self._gateways = [
            httpx.AsyncClient(base_url=url, timeout=HTTP_TIMEOUT_S, trust_env=False)
            for url in gateways
        ]
        self.commands: list[Command] = []
        self.statuses: dict[int, int] = {}

    async def run(self) -> None:
        """Publish all steps of all addresses."""
        async with asyncio.TaskGroup() as group:
            for name, steps in self._script.steps.items():
                group.create_task(self._address(name, steps))
        for client in self._gateways:
            await client.aclose()

    async def _address(self, name: str, steps: list[Step]) -> None:
        value = 0
        for step in steps:
            await asyncio.sleep(step.pause_s)
            if step.via == "rest":
                value = await self._call(name, value + 1, step)
            else:
                await self._burst(name, value + 1, step)
                value += step.count

    async def _burst(self, name: str, first: int, step: Step) -> None:
        values = range(first, first + step.count)
        event = lasting_event if step.via == "keyed" else scale_event
        events = [event(name, value) for value in values]
        fates = await self._producer.publish(events)
        for value, fate in zip(values, fates, strict=True):
            self.commands.append(Command(address=name, value=value, fate=fate))

    async def _call(self, name: str, value: int, step: Step) -> int:
        """Scale to rising values until one is attempted, and return that value."""
        client = self._gateways[step.gateway % len(self._gateways)]
        while True:
            answer = await client.post(
                f"/k8s/controllers/default/{name}",
                params={"kind": "Deployment", "apiVersion": "apps/v1"},
                json={"replicas": value},
            )
            status = answer.status_code
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.commands.append(Command(address=name, value=value, fate=_fate_of(answer)))
            if status not in NOT_ATTEMPTED:
                return value
            value += 1
            await asyncio.sleep(int(answer.headers.get("retry-after", "1")))


def _fate_of(answer: httpx.Response) -> Fate:
    if answer.status_code == 200:
        return Fate.ANSWERED
    if answer.status_code in NOT_ATTEMPTED:
        return Fate.REFUSED
    assert answer.status_code in UNKNOWN_END, answer.text
    return Fate.OPEN
