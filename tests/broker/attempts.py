"""Attempts at what the broker may refuse, each on a channel of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import BrokerError, ConnectionLost, Refused
from contracts.broker.reconnecting import ReconnectingConnection, Session
from contracts.wire import Message
from tests.stack import BOUND_S

Attempt = Callable[[Channel], Awaitable[object]]


def ends(url: str, attempts: dict[Any, Attempt]) -> dict[Any, BrokerError | None]:
    """What becomes of each attempt, on a channel of its own."""
    found: dict[Any, BrokerError | None] = {}

    async def session(connection: Connection) -> None:
        for name, attempt in attempts.items():
            channel = await connection.channel()
            found[name] = await end(channel, attempt)
            if not channel.is_closed:
                await channel.close()

    during(url, session)
    return found


async def end(channel: Channel, attempt: Attempt) -> BrokerError | None:
    """The error of an attempt; that of a publish is the reason for which its channel closes."""
    try:
        await attempt(channel)
    except ConnectionLost:
        try:
            await channel.lost()
        except BrokerError as error:
            return error
    except BrokerError as error:
        return error
    return None


def allowed(url: str, attempts: dict[Any, Attempt]) -> set[Any]:
    """Those of the attempts that the broker does not refuse."""
    return {name for name, error in ends(url, attempts).items() if not isinstance(error, Refused)}


def no_connection(url: str) -> str:
    """Why there is no connection."""

    async def connect() -> str:
        link = ReconnectingConnection(url, "test")
        before = link.reason
        connecting = asyncio.create_task(link.run(lambda connection: connection.lost()))
        await until(lambda: link.reason != before)
        connecting.cancel()
        return link.reason

    return asyncio.run(connect())


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, within the bound of whoever calls."""
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110 - a link and a list have no event for it
            await asyncio.sleep(0.01)


def during(url: str, session: Session) -> None:
    """Do something on one connection; an error of the broker does not pass for its end."""
    asyncio.run(asyncio.wait_for(ReconnectingConnection(url, "test").run(session), BOUND_S))


def publishing(exchange: str, key: str, **properties: Any) -> Attempt:
    return lambda channel: channel.publish(
        Message(
            exchange=exchange,
            key=key,
            body=b"{}",
            type="attempt",
            message_id=uuid4().hex,
            **properties,
        )
    )


def reading(queue: str) -> Attempt:
    return lambda channel: channel.consume(queue, lambda delivery: None, prefetch=1)


def binding(source: str, destination: str, key: str, *, to_exchange: bool) -> Attempt:
    return lambda channel: channel.bind(source, destination, key, to_exchange=to_exchange)


def deleting(queue: str) -> Attempt:
    return lambda channel: channel.delete_queue(queue)


def creating(queue: str) -> Attempt:
    return lambda channel: channel.declare_queue(queue, {"x-queue-type": "classic"})
