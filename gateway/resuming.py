"""Resumes the calls of a lost connection on the next one."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from uuid import uuid4

import msgspec

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.errors import NotDeclared
from contracts.topology import Binding, Topology
from gateway.session import Pending, Session

log = logging.getLogger(__name__)

READ_OUT_S = 3.0
"""RabbitMQ 4 answers for a classic queue whose node is down after 67 seconds."""

Receive = Callable[[Delivery], None]


async def resume(session: Session, calls: Iterable[Pending], receive: Receive) -> None:
    """Publish queries of the lost connection again; await the replies to its commands.

    Replies to commands lie in the queue of that connection, or come under its name to the present
    queue, where the node of the former one is down.
    """
    left: dict[str, list[Pending]] = {}
    for pending in calls:
        if pending.safe:
            _publish_again(session, pending)
        elif pending.message.reply_to:
            left.setdefault(pending.message.reply_to, []).append(pending)
    former = [Binding(topology.REPLIES, session.replies, queue) for queue in left]
    await declare(session.connection, Topology(bindings=tuple(former)))
    for queue, waiting in left.items():
        session.watch(_read_out(session.connection, queue, waiting, receive))


def _publish_again(session: Session, pending: Pending) -> None:
    left = int((pending.deadline - time.time()) * 1000)
    if left > 0:
        pending.message = msgspec.structs.replace(
            pending.message,
            message_id=uuid4().hex,
            reply_to=session.replies,
            expiration=left,
            timestamp=int(time.time()),
            user_id=session.connection.user,
        )
        session.publish(pending)


async def _read_out(
    connection: Connection, queue: str, waiting: list[Pending], receive: Receive
) -> None:
    """Read the replies queue of an earlier connection until its last command is resolved."""
    channel = await connection.channel()
    try:
        async with asyncio.timeout(READ_OUT_S):
            await channel.consume(queue, receive)
        await asyncio.wait([pending.reply for pending in waiting])
    except NotDeclared:
        log.warning("%s is gone with the replies in it", queue)
        return
    except TimeoutError:
        log.warning("%s does not answer: its node is down, with the replies in it", queue)
    async with connection.passing_channel() as deleting:
        await deleting.delete_queue(queue)
