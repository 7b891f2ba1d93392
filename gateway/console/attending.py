"""The attendance of workers, from their announcements during some seconds."""

import asyncio
import logging
from collections.abc import Iterable
from uuid import uuid4

import msgspec

from contracts import topology
from contracts.broker.attendance import Attendance
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare

log = logging.getLogger(__name__)

LISTEN_S = 2.5
"""Each worker announces itself once a second."""


async def listen(connection: Connection, expected: Iterable[str]) -> Attendance:
    """Return the attendance of all providers with workers, and of the expected ones.

    It answers until the connection is closed. Raises Refused without the rights of an operator.
    """
    own = uuid4().hex[:12]
    queue = topology.replies_queue(own, 1)
    attendance = Attendance(expected)

    def receive(delivery: Delivery) -> None:
        # The checks of gateways, which arrive too, have a correlation id.
        if delivery.message.type != topology.ATTENDANCE or delivery.message.correlation_id:
            return
        try:
            attendance.hear(delivery.message)
        except msgspec.DecodeError as error:
            log.warning("an announcement cannot be read: %s", error)

    await declare(connection, topology.of_gateway(own, 1))
    async with connection.passing_channel() as channel:
        tag = await channel.consume(queue, receive)
        attendance.connected(connection)
        await asyncio.sleep(LISTEN_S)
        await channel.cancel(tag)
        await channel.delete_queue(queue)
    return attendance
