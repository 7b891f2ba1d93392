"""The way back: replies to gateways and word of this worker, over a connection of their own.

A broker that is short of memory blocks connections that publish; the one that consumes and
acknowledges must not be among them.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from uuid import uuid4

from contracts import VERSION, topology
from contracts.broker.attendance import ANNOUNCE_S, Announcement
from contracts.broker.channel import Channel
from contracts.broker.declaration import declare
from contracts.broker.errors import BrokerError, ConnectionLost
from contracts.broker.link import Connection, Link
from contracts.wire import HEADER_RETRY_AFTER, HEADER_STATUS, HEADER_WORKER, Header, Message, Reply

log = logging.getLogger(__name__)

TELL_S = 1.0
GRACE_S = 0.25
"""How much longer than the deadline a gateway waits."""


class Replies:
    """Publishes replies; a reply that finds no connection waits for one, within its deadline."""

    def __init__(self, worker: str, link: Link, announcement: Callable[[], Announcement]) -> None:
        self._worker = worker
        self._link = link
        self._announcement = announcement
        self._channel: Channel | None = None
        self._opened = asyncio.Event()

    async def session(self, connection: Connection) -> None:
        """Publish over this connection until it is lost."""
        await declare(connection, topology.common())
        channel = await connection.channel()
        self._channel = channel
        self._opened.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(channel.lost())
                group.create_task(self._announce(channel))
                self._link.ready()
        finally:
            self._drop(channel)

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        """Publish the reply to a request, if it wants one; `until` is on the monotonic clock."""
        if not request.reply_to:
            return
        try:
            async with asyncio.timeout(until + GRACE_S - time.monotonic()):
                await self._publish(self._message(request, reply, until))
        except TimeoutError:
            log.warning("the reply to %s was too late", request.message_id)
        except BrokerError as error:
            log.warning("the reply to %s was refused: %s", request.message_id, error)

    async def tell(self) -> None:
        """Tell the gateways at once how this worker is, if they can be told."""
        if self._channel is None:
            return
        try:
            async with asyncio.timeout(TELL_S):
                await self._channel.publish(self._announcement().message())
        except (BrokerError, TimeoutError) as error:
            log.info("the gateways could not be told: %s", error)

    async def _publish(self, message: Message) -> None:
        while True:
            await self._opened.wait()
            channel = self._channel
            if channel is None:
                continue
            try:
                await channel.publish(message)
            except ConnectionLost as error:
                log.debug("a reply is sent again: %s", error)
                self._drop(channel)
            else:
                return

    async def _announce(self, channel: Channel) -> None:
        while True:
            await channel.publish(self._announcement().message())
            await asyncio.sleep(ANNOUNCE_S)

    def _drop(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
            self._opened.clear()

    def _message(self, request: Message, reply: Reply, until: float) -> Message:
        headers: dict[str, Header] = {HEADER_STATUS: reply.status, HEADER_WORKER: self._worker}
        if reply.retry_after is not None:
            headers[HEADER_RETRY_AFTER] = reply.retry_after
        left = until + GRACE_S - time.monotonic()
        return Message(
            exchange=topology.REPLIES,
            key=request.reply_to or "",
            body=reply.body,
            type=request.type,
            message_id=uuid4().hex,
            content_type=reply.content_type,
            correlation_id=request.correlation_id,
            expiration=max(1, int(left * 1000)),
            timestamp=int(time.time()),
            app_id=f"worker/{VERSION}",
            headers=headers,
        )
