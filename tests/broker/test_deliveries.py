"""Deliveries reach their consumer in the reader of the channel, and its errors stay there."""

import asyncio
import logging
from typing import Any

from contracts.broker.channel import Channel, Delivery
from contracts.broker.connection import Connection
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.wire import Message

QUEUE = "test.deliveries"
NUMBER = 20


async def test_deliveries_run_in_one_task_in_their_order(amqp_url: str) -> None:
    received, tasks = [], set()

    async def session(connection: Connection) -> None:
        all_received = asyncio.Event()

        def receive(delivery: Delivery) -> None:
            received.append(int(delivery.message.body))
            tasks.add(asyncio.current_task())
            if len(received) == NUMBER:
                all_received.set()

        async with connection.passing_channel() as channel:
            await _filled(channel)
            await channel.consume(QUEUE, receive)
            await all_received.wait()

    await ReconnectingConnection(amqp_url, "test").run(session)

    assert received == list(range(NUMBER))
    # aiormq runs a task for each one; a new version of it may do so again.
    assert len(tasks) == 1


async def test_an_error_of_a_consumer_is_logged_and_the_next_deliveries_arrive(
    amqp_url: str, caplog: Any
) -> None:
    received = []

    async def session(connection: Connection) -> None:
        last = asyncio.Event()

        def receive(delivery: Delivery) -> None:
            number = int(delivery.message.body)
            if number == 0:
                raise LookupError("by the test")
            received.append(number)
            if number == NUMBER - 1:
                last.set()

        async with connection.passing_channel() as channel:
            await _filled(channel)
            await channel.consume(QUEUE, receive)
            await last.wait()
            assert not channel.is_closed

    with caplog.at_level(logging.ERROR):
        await ReconnectingConnection(amqp_url, "test").run(session)

    assert received == list(range(1, NUMBER))
    assert f"a delivery of {QUEUE} failed" in caplog.text
    assert "by the test" in caplog.text


async def _filled(channel: Channel) -> None:
    await channel.declare_queue(QUEUE, {})
    for number in range(NUMBER):
        body = str(number).encode()
        await channel.publish(
            Message(exchange="", key=QUEUE, body=body, type="", message_id=f"m{number}")
        )
