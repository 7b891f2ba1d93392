"""Reads letters from the queue of dead letters, and removes single ones.

A message of a queue can only be read by consuming. Letters that are not acknowledged return to the
queue when the channel closes; meanwhile no other operator sees them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from contracts import topology
from contracts.broker.channel import Delivery
from contracts.broker.connection import Connection
from contracts.broker.queue_reader import QueueReader, read_queue
from contracts.wire import Message
from gateway.console.broker import on_broker
from gateway.console.dead.letters import DeadLetter, Filter, check_ids, dead
from gateway.console.terminal.output import note, progress

SILENCE_S = 5.0
MAX_LETTERS = 65_535
"""The largest prefetch of AMQP, and so the most letters of one look."""


class Letter(msgspec.Struct, frozen=True):
    """A letter for the operator, and its message."""

    shown: DeadLetter
    message: Message


class Letters:
    """The letters in the queue, oldest first."""

    def __init__(self, reader: QueueReader | None, total: int, number: int) -> None:
        self.total = total
        self._reader = reader
        self._number = number

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        """Yield each letter once; raises ConnectionLost."""
        if self._reader is None:
            return
        for _ in range(self._number):
            delivery = await self._reader.next(SILENCE_S)
            if delivery is None:
                return  # another consumer holds the rest
            yield delivery

    async def remove(self, delivery: Delivery) -> None:
        """Remove a letter, and wait until the broker has done so; raises ConnectionLost."""
        assert self._reader is not None  # there is a delivery
        await self._reader.ack_one(delivery)


@asynccontextmanager
async def open_letters(connection: Connection, most: int = MAX_LETTERS) -> AsyncIterator[Letters]:
    """Hold at most this number of the oldest letters until the context ends.

    Raises NotDeclared and Refused.
    """
    async with connection.passing_channel() as channel:
        total = await channel.messages(topology.DEAD)
    number = min(total, most)
    if not number:
        yield Letters(None, total, 0)
        return
    async with read_queue(connection, topology.DEAD, prefetch=number) as reader:
        yield Letters(reader, total, number)


async def select(
    connection: Connection,
    wanted: Filter,
    most: int = MAX_LETTERS,
    show: Callable[[int, int], None] | None = None,
) -> tuple[list[Letter], int]:
    """Return at most this number of the oldest letters that are wanted, and the number of all.

    Raises Failure unless each wanted id is the beginning of one id.
    """
    found: list[Letter] = []
    identities: set[str] = set()
    async with open_letters(connection) as letters:
        read = 0
        async for delivery in letters:
            letter = dead(delivery.message)
            identities.add(letter.id)
            if wanted.matches(letter):
                found.append(Letter(letter, delivery.message))
            read += 1
            if show is not None:
                show(read, letters.total)
            if len(found) == most and not wanted.ids:
                break
        total = letters.total
    check_ids(wanted.ids, identities)
    return found, total


def find(name: str, wanted: Filter) -> list[Letter]:
    """Return the letters that are wanted, for the command `name`; say so if there are none.

    Raises ConfigurationError and Failure.
    """
    found: list[Letter] = []

    async def look(connection: Connection) -> None:
        nonlocal found
        with progress("letters read") as show:
            found, _ = await select(connection, wanted, show=show)

    on_broker(name, look)
    if not found:
        note("no dead letter is selected")
    return found
