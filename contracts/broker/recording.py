"""Publishes an outcome until a queue has taken it, for workers and recorders alike.

Outcomes are published on a channel on which nothing else is. When the leader of a stream changes,
RabbitMQ 3.10.8 writes what was not confirmed again, numbered by the publishes of the channel where
the stream counts its own (`rabbit_stream_queue:resend_all/1`; repaired in 4.0). Had the channel
published more than the stream got, the following messages would be taken for repetitions: confirmed
and not stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from contracts.broker.errors import Rejected, Unroutable
from contracts.wire import Message

log = logging.getLogger(__name__)

REFUSED_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Delays before republishing an outcome that a queue rejected. The audit itself rejects while its
leader moves to another node; a queue that still rejects after the last delay is a foreign one.
"""

RENEW_AFTER_S = 1.0
"""From this delay on a refused outcome is published over a new connection: on RabbitMQ 3.10.8 a
channel that published to a stream whose leader was killed may refuse for good.
"""

NO_AUDIT_S = 1.0
"""The delay before an outcome that no queue took is published again."""


async def until_taken(
    publish: Callable[[Message], Awaitable[None]],
    outcome: Message,
    renew: Callable[[], Awaitable[None]],
) -> None:
    """Publish an outcome until a queue takes it; wait for as long as no queue is bound.

    `publish` raises Unroutable and Rejected. `renew` has the next attempts use a new connection;
    it is also called when a queue is there again, whose count begins anew.
    """
    has_waited = False
    pauses = iter(REFUSED_AGAIN_S)
    what = f"{outcome.key.partition('.')[0]} of {outcome.correlation_id}"
    while True:
        try:
            await publish(outcome)
        except Unroutable:
            log.warning("no queue takes outcomes: %s waits", what)
            has_waited = True
            await asyncio.sleep(NO_AUDIT_S)
        except Rejected:
            pause = next(pauses, None)
            if pause is None:
                log.warning("a queue on machinist.outcomes refused %s", what)
                return
            if pause >= RENEW_AFTER_S:
                await renew()
            await asyncio.sleep(pause)
        else:
            if has_waited:
                await renew()
            return
