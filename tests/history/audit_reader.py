"""Reads the starts and outcomes of scale commands from the audit."""

import asyncio
import threading
from contextlib import suppress
from typing import Self

import msgspec

from contracts.api import UpdateControllerReplicas
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.broker.stream_reader import OFFSET, offset
from contracts.outcomes import Outcome, Result, read
from contracts.topology import AUDIT, common
from contracts.wire import Message
from tests.history.history import Record

PREFETCH = 1000


class AuditReader:
    """Collects audit records while the context lasts, also across broker restarts."""

    def __init__(self, amqp_url: str) -> None:
        self._link = ReconnectingConnection(amqp_url, "test audit reader")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopping = asyncio.Event()
        self._seen: set[str] = set()
        self._ended: set[str] = set()
        self._requests: dict[str, tuple[str, int]] = {}
        self._next: int | str = "first"
        self.records: list[Record] = []

    @property
    def requests(self) -> dict[tuple[str, int], str]:
        """The ids of the scale commands that have a record, by name and replicas."""
        return {what: identity for identity, what in self._requests.copy().items()}

    def ended(self) -> set[tuple[str, int]]:
        """Return the scale commands with a final outcome, by name and replicas."""
        return {what for identity, what in self._requests.copy().items() if identity in self._ended}

    def finals(self) -> int:
        """Return the number of commands with a final outcome."""
        return len(self._ended)

    def open_ends(self) -> int:
        """Return the number of recorded commands without a final outcome."""
        return len(self._requests.keys() - self._ended)

    def has_ended(self, identity: str | None) -> bool:
        """Tell whether a command has a final outcome."""
        return identity in self._ended

    def _take(self, message: Message) -> None:
        # A record that is redelivered after a reconnect is counted once.
        if message.message_id not in self._seen:
            self._seen.add(message.message_id)
            self._take_outcome(read(message))

    def _take_outcome(self, outcome: Outcome) -> None:
        moment = outcome.started if outcome.result is Result.STARTED else outcome.finished
        moment = moment or outcome.finished or outcome.started
        self.records.append(
            Record(
                id=outcome.id,
                address=outcome.address.rpartition(".")[2],
                result=outcome.result,
                at=moment.timestamp() if moment else 0.0,
                worker=process_of(outcome.worker or ""),
                superseded_by=outcome.superseded_by,
            )
        )
        if outcome.request is not None:
            scale = msgspec.convert(outcome.request.body, UpdateControllerReplicas)
            self._requests[outcome.id] = scale.name, scale.replicas
        if outcome.result is not Result.STARTED:
            self._ended.add(outcome.id)

    async def _session(self, connection: Connection) -> None:
        await declare(connection, common())
        channel = await connection.channel()
        inbox: asyncio.Queue[Delivery] = asyncio.Queue()
        await channel.consume(
            AUDIT, inbox.put_nowait, prefetch=PREFETCH, arguments={OFFSET: self._next}
        )
        self._ready.set()
        while True:
            delivery = await inbox.get()
            self._take(delivery.message)
            self._next = offset(delivery.message) + 1
            await channel.ack(delivery)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        reading = asyncio.create_task(self._link.run(self._session))
        await self._stopping.wait()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    def _run(self) -> None:
        asyncio.run(self._main())

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20), self._link.reason
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)


def process_of(worker: str) -> int:
    """Return the process id in a worker name, `<host>-<pid>-<random>`; 0 for another name."""
    words = worker.rsplit("-", 2)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else 0
