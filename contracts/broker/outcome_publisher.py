"""A publisher of outcomes for worker and recorder, which republishes until a queue has the outcome.

A channel for outcomes must not publish other messages. When the leader of a stream changes,
RabbitMQ 3.10.8 writes unconfirmed messages again, numbered by the publishes of the channel, while
the stream counts its own messages (`rabbit_stream_queue:resend_all/1`; fixed in 4.0). If the
channel had published more messages than the stream received, the stream would take later ones for
duplicates: confirmed and not stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from contracts.broker.errors import Rejected, Unroutable
from contracts.wire import Message

log = logging.getLogger(__name__)

REFUSED_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Delays before republishing an outcome that a queue rejected. The audit stream rejects messages
while its leader moves to another node; a queue that still rejects after the last delay is not ours.
"""

RECONNECT_AFTER_S = 1.0
"""From this delay on a rejected outcome is published over a new connection: on RabbitMQ 3.10.8 a
channel that published to a stream whose leader was killed may be rejected for good.
"""

RECONNECTED_S = 30.0
"""The shortest time between two such reconnects."""

UNROUTABLE_S = 1.0
"""The delay before republishing an outcome that matched no binding."""


Published = Callable[[str, str], None]
"""Called for each outcome that a queue has, with its provider and its result."""


def _ignore(provider: str, result: str) -> None:
    """Count nothing."""


class OutcomePublisher:
    """Publishes outcomes for one process, over one connection after another."""

    def __init__(self, published: Published = _ignore) -> None:
        self._published = published
        self._reconnected_at = float("-inf")
        self._since: dict[object, float] = {}  # the oldest first

    def lag(self) -> float:
        """Return the age in seconds of the oldest outcome without a confirm, 0 without one."""
        now = time.monotonic()
        return now - next(iter(self._since.values()), now)

    async def publish(
        self,
        outcome: Message,
        publish: Callable[[Message], Awaitable[None]],
        reconnect: Callable[[], Awaitable[None]],
    ) -> None:
        """Publish an outcome until a queue has it; wait while no queue is bound.

        `publish` raises Unroutable and Rejected. `reconnect` makes later publishes use a new
        connection; it is also called when a queue was created again, since a new stream counts
        from 0.
        """
        entry = object()
        self._since[entry] = time.monotonic()
        try:
            await self._until_published(outcome, publish, reconnect)
        finally:
            del self._since[entry]

    async def _until_published(
        self,
        outcome: Message,
        publish: Callable[[Message], Awaitable[None]],
        reconnect: Callable[[], Awaitable[None]],
    ) -> None:
        has_waited = False
        pauses = iter(REFUSED_AGAIN_S)
        what = f"{outcome.key.partition('.')[0]} of {outcome.correlation_id}"
        while True:
            try:
                await publish(outcome)
            except Unroutable:
                log.warning("no queue is bound to machinist.outcomes: %s waits", what)
                has_waited = True
                await asyncio.sleep(UNROUTABLE_S)
            except Rejected:
                pause = next(pauses, None)
                if pause is None:
                    log.warning("a queue on machinist.outcomes refused %s", what)
                    return
                if pause >= RECONNECT_AFTER_S:
                    await self._reconnect(reconnect)
                await asyncio.sleep(pause)
            else:
                result, provider = outcome.key.split(".")[:2]
                self._published(provider, result)
                if has_waited:
                    await self._reconnect(reconnect)
                return

    async def _reconnect(self, reconnect: Callable[[], Awaitable[None]]) -> None:
        now = time.monotonic()
        if now - self._reconnected_at >= RECONNECTED_S:
            self._reconnected_at = now
            log.warning("outcomes were refused or had no queue: publishing over a new connection")
            await reconnect()
