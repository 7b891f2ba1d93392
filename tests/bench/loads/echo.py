"""The floor: round trips through the broker with the AMQP library alone.

`python -m tests.bench.loads.echo` generates the load; with a broker's URL it is the echo server.
"""

import asyncio
import sys
import time
from typing import cast

import aiormq
import uvloop
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from tests.bench.loads.measure import Job, Measurement, Tally, main

QUEUE = "bench.echo"
BODY = b"x" * 300


async def _channel(connection: AbstractConnection) -> Channel:
    return cast(Channel, await connection.channel(publisher_confirms=False))


async def serve(url: str) -> None:
    """Echo every message until the process ends."""
    channel = await _channel(await aiormq.connect(url))

    async def on_message(message: DeliveredMessage) -> None:
        properties = message.header.properties
        answer = Basic.Properties(correlation_id=properties.correlation_id)
        await channel.basic_publish(
            message.body, routing_key=str(properties.reply_to), properties=answer, wait=False
        )

    await channel.queue_declare(QUEUE)
    await channel.basic_consume(QUEUE, on_message, no_ack=True)
    await asyncio.Event().wait()


class EchoClient:
    """Sends messages and awaits their echoes."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def open(self, connection: AbstractConnection) -> None:
        """Declare a queue for the echoes and consume it."""
        self._channel = await _channel(connection)
        self._echoes = str((await self._channel.queue_declare(exclusive=True)).queue)
        await self._channel.basic_consume(self._echoes, self._receive, no_ack=True)

    async def _receive(self, message: DeliveredMessage) -> None:
        self._waiting.pop(str(message.header.properties.correlation_id)).set_result(None)

    async def repeat(self, number: int) -> None:
        """Make one round trip after another until the measurement is over."""
        identity = str(number)
        while not self._tally.over:
            began = time.perf_counter()
            echo = self._waiting[identity] = asyncio.get_running_loop().create_future()
            question = Basic.Properties(correlation_id=identity, reply_to=self._echoes)
            await self._channel.basic_publish(
                BODY, routing_key=QUEUE, properties=question, wait=False
            )
            await echo
            self._tally.record(time.perf_counter() - began)


async def run(job: Job) -> Measurement:
    """Keep `job.at_once` messages in flight over the broker at `job.where`."""
    tally = Tally()
    client = EchoClient(tally)
    async with aiormq.connect(job.where) as connection:
        await client.open(connection)
        async with asyncio.TaskGroup() as group:
            for number in range(job.at_once):
                group.create_task(client.repeat(number))
            return await tally.measured(job)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(serve(sys.argv[1]))
    else:
        main(run)
