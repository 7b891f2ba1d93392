"""The floor: messages there and back through the broker with the bare library and nothing of ours.

`python -m tests.bench.echo` makes the load; with a broker's URL it is the one that echoes.
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

from tests.bench.measure import Job, Measured, Tally, main

QUEUE = "bench.echo"
BODY = b"x" * 300


async def _channel(connection: AbstractConnection) -> Channel:
    return cast(Channel, await connection.channel(publisher_confirms=False))


async def serve(url: str) -> None:
    """Send back whatever comes, for ever."""
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


class Asker:
    """Sends messages and awaits their echoes."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def open(self, connection: AbstractConnection) -> None:
        """Make a queue for the echoes."""
        self._channel = await _channel(connection)
        self._echoes = str((await self._channel.queue_declare(exclusive=True)).queue)
        await self._channel.basic_consume(self._echoes, self._receive, no_ack=True)

    async def _receive(self, message: DeliveredMessage) -> None:
        self._waiting.pop(str(message.header.properties.correlation_id)).set_result(None)

    async def ask(self, who: int) -> None:
        """One round trip after another, until the end."""
        identity = str(who)
        while not self._tally.over:
            began = time.perf_counter()
            echo = self._waiting[identity] = asyncio.get_running_loop().create_future()
            question = Basic.Properties(correlation_id=identity, reply_to=self._echoes)
            await self._channel.basic_publish(
                BODY, routing_key=QUEUE, properties=question, wait=False
            )
            await echo
            self._tally.note(time.perf_counter() - began)


async def run(job: Job) -> Measured:
    """Keep messages under way over the broker at `job.where`."""
    tally = Tally()
    asker = Asker(tally)
    async with aiormq.connect(job.where) as connection:
        await asker.open(connection)
        async with asyncio.TaskGroup() as group:
            for who in range(job.at_once):
                group.create_task(asker.ask(who))
            return await tally.measured(job)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(serve(sys.argv[1]))
    else:
        main(run)
