"""Checks an existing broker: whether it accepts the login, and whether workers are attached."""

import asyncio
from collections.abc import Sequence

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared
from contracts.broker.reconnecting import ReconnectingConnection
from deploy.failed import Failed

CONNECT_S = 15


def refuse_attended(urls: str, providers: Sequence[str], within: float = CONNECT_S) -> None:
    """Raise Failed if workers of a provider are attached already.

    Workers of the sandbox would take commands that are meant for a real platform. Also raises
    Failed if no connection is possible within `within` seconds.
    """
    found = asyncio.run(_consumers(urls, providers, within))
    attended = [f"{name} ({count})" for name, count in found.items() if count]
    if attended:
        raise Failed(
            f"workers are attached to this broker already: {', '.join(attended)}. Workers of the "
            "sandbox would take a share of their requests: unset PLT_AMQP_URL to start a private "
            "broker, or name another broker or virtual host"
        )


async def _consumers(urls: str, providers: Sequence[str], within: float) -> dict[str, int]:
    """Return the number of attached workers of each provider."""
    found: dict[str, int] = {}

    async def look(connection: Connection) -> None:
        for name in providers:
            async with connection.passing_channel() as channel:
                try:
                    found[name] = await channel.consumers(topology.queries_queue(name))
                except NotDeclared:
                    found[name] = 0

    link = ReconnectingConnection(urls, "machinist deploy/up")
    try:
        async with asyncio.timeout(within):
            await link.run(look)
    except TimeoutError as error:
        raise Failed(f"the broker of PLT_AMQP_URL accepts no login: {link.reason}") from error
    return found
