"""The publishing connection of a worker.

A broker that is short of memory blocks connections that publish, so consuming and acknowledging
have a connection of their own. Outcomes have a separate channel, see
`contracts.broker.outcome_publisher`.
"""

import asyncio
import logging
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

ANNOUNCE_TIMEOUT_S = 1.0


class Publisher:
    """Publishes over one connection after another, and announces this worker to the gateways."""

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

    def announce(self) -> None:
        """Announce this worker soon, after a change of its state."""
        self._changed.set()

    async def session(self, connection: Connection) -> None:
        """Publish over this connection until it is lost."""
        # Only exchanges: the consuming connection declares queues, since looking up a queue on a
        # frozen node takes seconds. An outcome without a queue is published again.
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
        """Publish and wait for the confirm; publish again after a loss of the connection.

        The broker checks the property `user_id`, which is our broker user. Raises Rejected if a
        queue rejects the message and, if `mandatory`, Unroutable if no queue is bound for it. A
        missing right or exchange ends the session and is logged.
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

    async def reconnect(self) -> None:
        """Reconnect; unconfirmed messages are published again over the new connection."""
        channel = self._outcomes
        if channel is None:
            return
        self._drop(channel)
        try:
            await channel.close()
        except ConnectionLost as error:
            log.debug("the channel is closed already: %s", error)

    async def announce_now(self) -> None:
        """Announce this worker now, if there is a connection."""
        if self._channel is None:
            return
        try:
            async with asyncio.timeout(ANNOUNCE_TIMEOUT_S):
                await self._channel.publish(self._announcement().message())
        except (BrokerError, TimeoutError) as error:
            log.info("the announcement failed: %s", error)

    async def _announce(self, channel: Channel) -> None:
        """Announce this worker at intervals.

        On RabbitMQ 4 a replies queue on a dead node makes the broker reject an announcement that
        the other gateways received; with a queue on a frozen node the confirm never comes.
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
