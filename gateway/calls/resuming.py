"""Resumes the calls of a lost connection on the next one."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.errors import NotDeclared
from contracts.topology import Binding, Topology
from gateway.calls.session import Pending, Session

log = logging.getLogger(__name__)

DRAIN_S = 3.0
"""For a classic queue on a node that is down, RabbitMQ 4 answers only after 67 seconds."""

Receive = Callable[[Delivery], None]


async def resume(session: Session, calls: Iterable[Pending], receive: Receive) -> None:
    """Publish the queries of a lost connection again; await the replies to its commands.

    Those replies are in the replies queue of that connection. If its node is down, a binding routes
    them to the present queue.
    """
    waiting: dict[str, list[Pending]] = {}
    for pending in calls:
        if pending.safe:
            _publish_again(session, pending)
        elif pending.message.reply_to:
            waiting.setdefault(pending.message.reply_to, []).append(pending)
    former = [Binding(topology.REPLIES, session.replies, queue) for queue in waiting]
    await declare(session.connection, Topology(bindings=tuple(former)))
    for queue, commands in waiting.items():
        session.watch(_drain(session.connection, queue, commands, receive))


def _publish_again(session: Session, pending: Pending) -> None:
    if pending.deadline > time.time():
        pending.message = session.readdressed(pending)
        session.publish(pending)


async def _drain(
    connection: Connection, queue: str, commands: list[Pending], receive: Receive
) -> None:
    """Consume the replies queue of an earlier connection until its last command has ended."""
    channel = await connection.channel()
    try:
        async with asyncio.timeout(DRAIN_S):
            await channel.consume(queue, receive)
        await asyncio.wait([pending.reply for pending in commands])
    except NotDeclared:
        log.warning("the replies queue %s was deleted with its replies", queue)
        return
    except TimeoutError:
        log.warning("the replies queue %s does not answer: its node is down", queue)
    async with connection.passing_channel() as deleting:
        await deleting.delete_queue(queue)
