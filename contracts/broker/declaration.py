"""Declares a topology: checks passively, creates missing parts, reports what it may not create."""

import asyncio
from collections.abc import Awaitable, Callable

from contracts.broker.channel import Channel
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared, Refused
from contracts.topology import Binding, Exchange, Queue, Topology

CHECK_S = 10.0
LOOK_S = 5.0
"""The timeout of a passive declaration. RabbitMQ 4 answers after 67 seconds if the queue is a
classic one whose node is down.
"""

REMEDY = (
    "import the definitions in deploy/rabbitmq and connect as the user that they have for this "
    "process, or grant configure"
)


async def declare(connection: Connection, topology: Topology) -> None:
    """Create the missing parts of a topology; raise Refused with what to import or grant.

    Without the configure right, a declaration is refused even if an equal queue exists, but a
    passive declaration is allowed. So a user with few rights can work after the definitions were
    imported.
    """
    declaration = Declaration(connection)
    missing = await declaration.run(topology)
    await declaration.close()
    if missing:
        raise Refused("; ".join(missing))


class Declaration:
    """Declares topologies over one connection, on one channel until an error closes it.

    A binding that the user may not create counts as existing, unless its source or destination was
    just created: AMQP cannot check bindings. The broker logs each refusal as an error, so after the
    first refusal no more bindings are attempted.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel: Channel | None = None
        self._created: set[str] = set()
        self._missing: dict[str, str] = {}
        self._may_bind = True
        self._is_patient = True
        self._has_removed = False

    async def run(self, topology: Topology, *, patient: bool = True) -> list[str]:
        """Create missing parts; return a message with a remedy for each part that is still missing.

        A queue counts as missing if the passive declaration takes longer than LOOK_S; unless
        `patient`, the first of these raises TimeoutError.
        """
        self._created.clear()
        self._missing.clear()
        self._is_patient = patient
        for exchange in topology.exchanges:
            await self._ensure_exchange(exchange)
        for queue in topology.queues:
            await self._ensure_queue(queue)
        await self._ensure_bindings(topology.bindings)
        if self._may_bind and not self._has_removed:
            await self._remove(topology.former)
            self._has_removed = True
        return list(self._missing.values())

    async def keep(self, topology: Topology, report: Callable[[list[str]], None]) -> None:
        """Recreate deleted parts at intervals, and report the parts that are still missing."""
        while True:
            report(await self.run(topology))
            await asyncio.sleep(CHECK_S)

    async def close(self) -> None:
        """Close the channel, which otherwise closes with the connection."""
        if self._channel is not None and not self._channel.is_closed:
            await self._channel.close()

    async def _ensure_exchange(self, exchange: Exchange) -> None:
        await self._ensure(
            exchange.name,
            "exchange",
            lambda channel: channel.has_exchange(exchange.name),
            lambda channel: channel.declare_exchange(
                exchange.name, exchange.type, exchange.arguments
            ),
        )

    async def _ensure_queue(self, queue: Queue) -> None:
        await self._ensure(
            queue.name,
            "queue",
            lambda channel: channel.consumers(queue.name),
            lambda channel: channel.declare_queue(queue.name, queue.arguments),
        )

    async def _ensure(
        self,
        name: str,
        kind: str,
        look: Callable[[Channel], Awaitable[object]],
        create: Callable[[Channel], Awaitable[object]],
    ) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await look(await self._open())
        except TimeoutError:
            # The library closes a channel on which a call was cancelled, but not at once.
            self._channel = None
            if not self._is_patient:
                raise
            self._missing[name] = f"the {kind} {name} does not answer: is its node down?"
        except NotDeclared:
            await self._create(name, kind, create)
        except Refused:
            pass  # from RabbitMQ 4.3 on, a passive declaration needs a right

    async def _create(
        self, name: str, kind: str, create: Callable[[Channel], Awaitable[object]]
    ) -> None:
        try:
            await create(await self._open())
        except Refused as error:
            self._missing[name] = (
                f"the {kind} {name} does not exist and this user may not create it: {REMEDY} "
                f"({error})"
            )
        else:
            self._created.add(name)

    async def _ensure_bindings(self, bindings: tuple[Binding, ...]) -> None:
        for binding in bindings:
            ends = {binding.source, binding.destination}
            is_new = bool(ends & self._created)
            if not (is_new or self._may_bind) or not ends.isdisjoint(self._missing):
                continue
            try:
                await self._bind(binding)
            except Refused as error:
                self._may_bind = False
                if is_new:
                    self._missing[f"{binding.source} {binding.destination}"] = (
                        f"{binding.destination} cannot be bound to {binding.source}: grant write "
                        f"on the first and read on the second ({error})"
                    )

    async def _remove(self, former: tuple[Binding, ...]) -> None:
        """Remove the bindings of earlier versions."""
        for binding in former:
            if not self._missing.keys().isdisjoint({binding.source, binding.destination}):
                continue
            channel = await self._open()
            await channel.unbind(
                binding.source, binding.destination, binding.key, to_exchange=binding.to_exchange
            )

    async def _bind(self, binding: Binding) -> None:
        channel = await self._open()
        await channel.bind(
            binding.source,
            binding.destination,
            binding.key,
            to_exchange=binding.to_exchange,
            arguments=binding.arguments,
        )

    async def _open(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._connection.channel()
        return self._channel
