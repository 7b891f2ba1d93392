"""Looks at a broker that is there already: whether one gets in, and who attends it."""

import asyncio
from collections.abc import Sequence

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.errors import NotDeclared
from contracts.broker.reconnecting import ReconnectingConnection
from deploy.failed import Failed

CONNECT_S = 15


def refuse_attended(urls: str, providers: Sequence[str], within: float = CONNECT_S) -> None:
    """Fail where workers attend one of the providers: they would share their commands with ours.

    A sandbox would then answer for a platform that somebody means. Fails too where no connection
    comes about within so many seconds.
    """
    found = asyncio.run(_consumers(urls, providers, within))
    attended = [f"{name} ({count})" for name, count in found.items() if count]
    if attended:
        raise Failed(
            f"workers attend this broker already: {', '.join(attended)}. The sandbox's would take "
            "a share of their requests: unset PLT_AMQP_URL to have a broker started, or name "
            "another broker or virtual host"
        )


async def _consumers(urls: str, providers: Sequence[str], within: float) -> dict[str, int]:
    """How many workers attend each provider."""
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
        raise Failed(f"the broker of PLT_AMQP_URL lets nobody in: {link.reason}") from error
    return found
