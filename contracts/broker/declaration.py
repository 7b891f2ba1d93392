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
        if await self._ensure_bindings(topology.bindings):
            await self._remove(topology.former)
        if self._channel is not None and not self._channel.is_closed:
            await self._channel.close()

    async def _ensure_exchange(self, exchange: Exchange) -> None:
        await self._ensure(
            exchange.name,
            lambda channel: channel.has_exchange(exchange.name),
            lambda channel: channel.declare_exchange(
                exchange.name, exchange.type, exchange.arguments
            ),
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
                    f"{name} does not exist and this user may not create it: import the "
                    "definitions in deploy/rabbitmq and come as the user that they have for this "
                    f"process, or grant configure ({error})"
                ) from error
            self._created.add(name)

    async def _ensure_bindings(self, bindings: tuple[Binding, ...]) -> bool:
        """Bind, and return if we may; a refusal is only a fault where we just created an end.

        Whoever may not bind what is there already is refused once and asks no further: each
        refusal is an error in the broker's log, and every worker would cause thirty.
        """
        may_bind = True
        for binding in bindings:
            is_new = bool({binding.source, binding.destination} & self._created)
            if not (is_new or may_bind):
                continue
            try:
                await self._bind(binding)
            except Refused as error:
                may_bind = False
                if is_new:
                    raise Refused(
                        f"{binding.destination} cannot be bound to {binding.source}: grant write "
                        f"on the first and read on the second ({error})"
                    ) from error
        return may_bind

    async def _remove(self, former: tuple[Binding, ...]) -> None:
        """Take away what an older version bound: it led around what stands there now."""
        for binding in former:
            channel = await self._open()
            await channel.unbind(binding.source, binding.destination, binding.key)

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
