"""Reads outcomes as an auditor does: from its own queue, bound to `machinist.outcomes`."""

import asyncio
import threading
from contextlib import suppress
from typing import Self
from uuid import uuid4

from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.outcomes import Outcome, Result, read
from contracts.topology import MINUTE_MS, OUTCOMES, Binding, Exchange, Queue, Topology
from contracts.wire import Message
from tests.stack import BOUND_S, eventually

PREFETCH = 1000


class Auditor:
    """Collects the outcomes published while the context lasts, also across broker restarts.

    An outcome that is delivered twice is kept once.
    """

    def __init__(self, amqp_url: str, prefix: str = "test.auditor") -> None:
        """`prefix` is the first part of the queue's name."""
        self._link = ReconnectingConnection(amqp_url, "test auditor")
        self._queue = f"{prefix}.{uuid4().hex[:8]}"
        self._read: dict[str, tuple[Message, Outcome]] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def outcomes(self) -> list[tuple[Message, Outcome]]:
        """Return all outcomes so far, in order of arrival."""
        return list(self._read.values())

    def of(self, identity: str) -> list[Outcome]:
        """Return the outcomes of one command so far."""
        return [outcome for _, outcome in self.outcomes() if outcome.id == identity]

    def final(self, identity: str, within: float = BOUND_S) -> Outcome:
        """Wait for the first final outcome of a command."""

        def finals() -> list[Outcome]:
            return [each for each in self.of(identity) if each.result is not Result.STARTED]

        eventually(finals, within, f"the outcome of {identity}")
        return finals()[0]

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        await self._link.run(self._session)

    async def _session(self, connection: Connection) -> None:
        exchange = Exchange(OUTCOMES, "topic")
        queue = Queue(self._queue, {"x-queue-type": "classic", "x-expires": 10 * MINUTE_MS})
        binding = Binding(OUTCOMES, self._queue, "#")
        await declare(connection, Topology((exchange,), (queue,), (binding,)))
        channel = await connection.channel()
        inbox: asyncio.Queue[Delivery] = asyncio.Queue()
        await channel.consume(self._queue, inbox.put_nowait, prefetch=PREFETCH)
        self._ready.set()
        while True:
            delivery = await inbox.get()
            message = delivery.message
            self._read.setdefault(message.message_id, (message, read(message)))
            await channel.ack(delivery)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(BOUND_S), f"no connection: {self._link.reason}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
