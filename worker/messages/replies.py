"""Replies to the gateways, within the time that the gateways wait."""

import asyncio
import logging
import time
from http import HTTPStatus
from uuid import uuid4

from contracts import VERSION, topology
from contracts.broker.errors import Rejected, Unroutable
from contracts.freshness import Versions, announcement, place
from contracts.outcomes import identity, short
from contracts.seal import SEALED, Seals, reply_seal
from contracts.wire import (
    HEADER_AGE,
    HEADER_RETRY_AFTER,
    HEADER_STATUS,
    HEADER_VERSIONS,
    HEADER_WORKER,
    Header,
    Message,
    Reply,
    with_command_id,
)
from worker.messages.publisher import Publisher

log = logging.getLogger(__name__)

GRACE_S = 0.25
"""The time that a gateway waits after the deadline."""

REPUBLISH_FOR_S = 10.0
"""The time within which a reconnecting gateway binds its replies queue again."""

REPUBLISH_PAUSE_S = 0.3

ANNOUNCE_S = 0.5
"""The longest delay of a reply by the announcement of versions."""


class Replies:
    """Sends replies; without a connection a reply waits for one, within its deadline."""

    def __init__(
        self, worker: str, publisher: Publisher, seals: Seals, group: asyncio.TaskGroup
    ) -> None:
        """`group` runs the replies that are published again; it outlives connections."""
        self._worker = worker
        self._publisher = publisher
        self._seals = seals
        self._group = group

    async def announce(self, command: Message, versions: Versions) -> None:
        """Tell all gateways which versions a command produced, before its reply is sent.

        A gateway whose queue has confirmed the announcement receives it before the reply to any
        later query. A queue on a dead node makes the broker reject the message that the other
        gateways receive; with a queue on a frozen node the confirm never comes. The gateways of
        such queues learn of the loss, and let workers read live for a while.
        """
        try:
            async with asyncio.timeout(ANNOUNCE_S):
                await self._publisher.publish(announcement(place(command.key), versions))
        except Rejected as error:
            log.debug("a replies queue refused the announcement of versions: %s", error)
        except TimeoutError:
            log.warning("the announcement of versions in %s is not confirmed", command.key)

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        """Publish the reply, if the request has `reply_to`; `until` is on the monotonic clock.

        After the loss of its node a gateway connects to another node and binds its new queue under
        the old name. A reply that is returned meanwhile is published again, in the background.
        """
        if not request.reply_to:
            return
        if request.exchange != topology.QUERIES:
            reply = with_command_id(reply, identity(request))
        message = self._message(request, reply, until)
        try:
            async with asyncio.timeout(until + GRACE_S - time.monotonic()):
                await self._publisher.publish(message, mandatory=True)
        except TimeoutError:
            log.warning("the reply to %s was too late", request.message_id)
        except (Unroutable, Rejected) as error:
            log.info("no queue takes the reply to %s: %s", request.message_id, error)
            if request.exchange != topology.EVENTS:
                self._group.create_task(self._republish(message, until))

    async def _republish(self, message: Message, until: float) -> None:
        """Publish a reply until a queue has taken it, for at most REPUBLISH_FOR_S."""
        try:
            async with asyncio.timeout(min(REPUBLISH_FOR_S, until + GRACE_S - time.monotonic())):
                while True:
                    await asyncio.sleep(REPUBLISH_PAUSE_S)
                    try:
                        await self._publisher.publish(message, mandatory=True)
                    except (Unroutable, Rejected):
                        continue
                    return
        except TimeoutError:
            log.warning("no queue took the reply to %s", message.correlation_id)

    def _message(self, request: Message, reply: Reply, until: float) -> Message:
        headers: dict[str, Header] = {HEADER_STATUS: reply.status, HEADER_WORKER: self._worker}
        if reply.retry_after is not None:
            headers[HEADER_RETRY_AFTER] = reply.retry_after
        if reply.versions is not None:
            headers[HEADER_VERSIONS] = reply.versions
        if reply.age_ms is not None:
            headers[HEADER_AGE] = reply.age_ms
        body, content_type = self._sealed(request, reply)
        left = until + GRACE_S - time.monotonic()
        return Message(
            exchange=topology.REPLIES,
            key=short(request.reply_to or ""),
            body=body,
            type=short(request.type),
            message_id=uuid4().hex,
            content_type=content_type,
            correlation_id=short(request.correlation_id or "") or None,
            expiration=max(1, int(left * 1000)),
            timestamp=int(time.time()),
            app_id=f"worker/{VERSION}",
            headers=headers,
        )

    def _sealed(self, request: Message, reply: Reply) -> tuple[bytes, str]:
        """Seal the reply to a sealed request with the same key, since a reply repeats the request.

        A problem is not sealed: it repeats no secrets, and must be readable if the keys differ.
        """
        if request.content_type != SEALED or reply.status != HTTPStatus.OK:
            return reply.body, reply.content_type
        name, where = reply_seal(request.correlation_id, request.type)
        return self._seals.seal(reply.body, name, where, like=request.body), SEALED
