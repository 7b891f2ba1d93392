"""AMQP requests that the broker may refuse, each on its own channel."""

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


def errors_of(url: str, attempts: dict[Any, Attempt]) -> dict[Any, BrokerError | None]:
    """Make each attempt on its own channel; return its error or None."""
    found: dict[Any, BrokerError | None] = {}

    async def session(connection: Connection) -> None:
        for name, attempt in attempts.items():
            channel = await connection.channel()
            found[name] = await error_of(channel, attempt)
            if not channel.is_closed:
                await channel.close()

    run_session(url, session)
    return found


async def error_of(channel: Channel, attempt: Attempt) -> BrokerError | None:
    """Return the error of an attempt, or None.

    A refused publish is reported only as the reason for which the broker closes the channel.
    """
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
    """Return the names of the attempts that the broker does not refuse."""
    return {
        name for name, error in errors_of(url, attempts).items() if not isinstance(error, Refused)
    }


def connection_error(url: str) -> str:
    """Return the reason for which the broker accepts no connection."""

    async def connect() -> str:
        link = ReconnectingConnection(url, "test")
        before = link.reason
        connecting = asyncio.create_task(link.run(lambda connection: connection.lost()))
        await until(lambda: link.reason != before)
        connecting.cancel()
        return link.reason

    return asyncio.run(connect())


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, for at most `BOUND_S`."""
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110 - neither a link nor a list has an event
            await asyncio.sleep(0.01)


def run_session(url: str, session: Session) -> None:
    """Run a session on one connection, within `BOUND_S`; a broker error causes a reconnect."""
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
