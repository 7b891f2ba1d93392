"""Replies: the way back to the gateways, within the time that they wait."""

import asyncio
import logging
import time
from http import HTTPStatus
from uuid import uuid4

from contracts import VERSION, topology
from contracts.broker.errors import BrokerError
from contracts.outcomes import short
from contracts.seal import SEALED, Seals, reply_seal
from contracts.wire import HEADER_RETRY_AFTER, HEADER_STATUS, HEADER_WORKER, Header, Message, Reply
from worker.publisher import Publisher

log = logging.getLogger(__name__)

GRACE_S = 0.25
"""How much longer than the deadline a gateway waits."""


class Replies:
    """Sends replies; one that finds no connection waits for one, within its deadline."""

    def __init__(self, worker: str, publisher: Publisher, seals: Seals) -> None:
        self._worker = worker
        self._publisher = publisher
        self._seals = seals

    async def send(self, request: Message, reply: Reply, until: float) -> None:
        """Publish the reply to a request, if it wants one; `until` is on the monotonic clock."""
        if not request.reply_to:
            return
        try:
            async with asyncio.timeout(until + GRACE_S - time.monotonic()):
                await self._publisher.publish(self._message(request, reply, until))
        except TimeoutError:
            log.warning("the reply to %s was too late", request.message_id)
        except BrokerError as error:
            log.warning("the reply to %s was refused: %s", request.message_id, error)

    def _message(self, request: Message, reply: Reply, until: float) -> Message:
        headers: dict[str, Header] = {HEADER_STATUS: reply.status, HEADER_WORKER: self._worker}
        if reply.retry_after is not None:
            headers[HEADER_RETRY_AFTER] = reply.retry_after
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
        """What was asked for sealed is answered sealed, by the same key: an answer shows much of
        what was asked for. A problem does not, and has to be readable where the keys differ.
        """
        if request.content_type != SEALED or reply.status != HTTPStatus.OK:
            return reply.body, reply.content_type
        name, where = reply_seal(request.correlation_id, request.type)
        return self._seals.seal(reply.body, name, where, like=request.body), SEALED
