"""What a worker publishes goes over a connection of its own.

A broker that is short of memory blocks connections that publish; the one that consumes and
acknowledges must not be among them. Outcomes have a channel to themselves, see
`contracts.broker.recording`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from contracts import topology
from contracts.broker.attendance import ANNOUNCE_S, Announcement
from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.declaration import Declaration
from contracts.broker.errors import BrokerError, ConnectionLost, NotDeclared, Refused, Rejected
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.topology import Topology
from contracts.wire import Message

log = logging.getLogger(__name__)

TELL_S = 1.0
RENEWED_S = 30.0
"""The shortest time between two connections that are given up though they work."""


class Publisher:
    """Publishes over whichever connection is up, and tells the gateways of this worker."""

    def __init__(
        self, link: ReconnectingConnection, announcement: Callable[[], Announcement]
    ) -> None:
        self._link = link
        self._announcement = announcement
        self._channel: Channel | None = None
        self._outcomes: Channel | None = None
        self._user: str | None = None
        self._opened = asyncio.Event()
        self._changed = asyncio.Event()
        self._renewed_at = float("-inf")

    def announce(self) -> None:
        """Announce this worker soon: its state has changed."""
        self._changed.set()

    async def session(self, connection: Connection) -> None:
        """Publish over this connection until it is lost."""
        # Queues are declared by the consuming connection: a look at one that a frozen node leads
        # takes seconds, and an outcome that finds no queue yet is published again.
        await Declaration(connection).run(Topology(exchanges=topology.common().exchanges))
        channel, outcomes = await connection.channel(), await connection.channel()
        self._channel, self._outcomes = channel, outcomes
        self._user = connection.user
        self._opened.set()
        try:
            async with asyncio.TaskGroup() as group:
                for each in (channel, outcomes):
                    group.create_task(each.lost())
                    group.create_task(connection.confirms(each))
                group.create_task(connection.pulse())
                group.create_task(self._announce(channel))
                self._link.ready()
        finally:
            self._drop(channel)

    async def publish(self, message: Message, *, mandatory: bool = False) -> None:
        """Publish and wait for the confirm, again after a loss of the connection.

        The message is published as our broker user, which the broker checks. Raises Rejected where
        a queue refuses the message and, if `mandatory`, Unroutable where no queue takes it. A
        missing right or exchange ends the session, and the link tells of it.
        """
        while True:
            await self._opened.wait()
            is_outcome = message.exchange == topology.OUTCOMES
            channel = self._outcomes if is_outcome else self._channel
            if channel is None:
                continue
            try:
                await channel.publish(
                    msgspec.structs.replace(message, user_id=self._user), mandatory=mandatory
                )
            except (ConnectionLost, NotDeclared, Refused) as error:
                log.debug("%s is published again: %s", message.key, error)
                self._drop(channel)
            else:
                return

    async def renew(self) -> None:
        """Connect anew, unless that was done a moment ago; what is under way is published again."""
        channel, now = self._outcomes, time.monotonic()
        if channel is None or now - self._renewed_at < RENEWED_S:
            return
        self._renewed_at = now
        log.warning("the audit refused outcomes: publishing over a new connection")
        self._drop(channel)
        try:
            await channel.close()
        except ConnectionLost as error:
            log.debug("the channel is closed already: %s", error)

    async def tell(self) -> None:
        """Tell the gateways at once how this worker is, if they can be told."""
        if self._channel is None:
            return
        try:
            async with asyncio.timeout(TELL_S):
                await self._channel.publish(self._announcement().message())
        except (BrokerError, TimeoutError) as error:
            log.info("the gateways could not be told: %s", error)

    async def _announce(self, channel: Channel) -> None:
        """Announce this worker at intervals.

        On RabbitMQ 4 one gateway's replies queue on a dead node makes the broker refuse the
        announcement that the other gateways have got; on a frozen node it is never confirmed.
        """
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(ANNOUNCE_S):
                    await channel.publish(self._announcement().message())
            except Rejected as error:
                log.debug("a replies queue refused the announcement: %s", error)
            except TimeoutError:
                log.debug("a replies queue does not confirm the announcement")
            with suppress(TimeoutError):
                async with asyncio.timeout(ANNOUNCE_S):
                    await self._changed.wait()

    def _drop(self, channel: Channel) -> None:
        if channel in (self._channel, self._outcomes):
            self._channel = self._outcomes = None
            self._opened.clear()
