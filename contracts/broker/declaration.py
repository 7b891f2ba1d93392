"""Sees to it that a topology exists: looks first, creates what is missing."""

from collections.abc import Awaitable, Callable

from contracts.broker.channel import Channel
from contracts.broker.errors import NotDeclared, Refused
from contracts.broker.link import Connection
from contracts.topology import Binding, Exchange, Queue, Topology


async def declare(connection: Connection, topology: Topology) -> None:
    """Create what is missing of a topology; raises Refused with what to import or grant.

    A declaration without the configure right is refused even if the queue exists and is equal,
    a passive one is not; so users with few rights can work where definitions were imported.
    """
    await _Declaration(connection).run(topology)


class _Declaration:
    """Works on a channel of its own, opened again after each failure, which closes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel: Channel | None = None
        self._created: set[str] = set()

    async def run(self, topology: Topology) -> None:
        for exchange in topology.exchanges:
            await self._ensure_exchange(exchange)
        for queue in topology.queues:
            await self._ensure_queue(queue)
        for binding in topology.bindings:
            await self._ensure_binding(binding)
        if self._channel is not None and not self._channel.is_closed:
            await self._channel.close()

    async def _ensure_exchange(self, exchange: Exchange) -> None:
        await self._ensure(
            exchange.name,
            lambda channel: channel.has_exchange(exchange.name),
            lambda channel: channel.declare_exchange(exchange.name, exchange.type),
        )

    async def _ensure_queue(self, queue: Queue) -> None:
        await self._ensure(
            queue.name,
            lambda channel: channel.consumers(queue.name),
            lambda channel: channel.declare_queue(queue.name, queue.arguments),
        )

    async def _ensure(
        self,
        name: str,
        look: Callable[[Channel], Awaitable[object]],
        create: Callable[[Channel], Awaitable[object]],
    ) -> None:
        try:
            await look(await self._open())
        except NotDeclared:
            try:
                await create(await self._open())
            except Refused as error:
                raise Refused(
                    f"{name} does not exist and this user may not create it: import "
                    f"deploy/rabbitmq/definitions.json, or grant configure on ^{name}$ ({error})"
                ) from error
            self._created.add(name)

    async def _ensure_binding(self, binding: Binding) -> None:
        """Bind; a refusal is only a fault where we have just created one of the ends."""
        try:
            await (await self._open()).bind(
                binding.source,
                binding.destination,
                binding.key,
                to_exchange=binding.to_exchange,
            )
        except Refused as error:
            if {binding.source, binding.destination} & self._created:
                raise Refused(
                    f"{binding.destination} cannot be bound to {binding.source}: grant write on "
                    f"the first and read on the second ({error})"
                ) from error

    async def _open(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._connection.channel()
        return self._channel
