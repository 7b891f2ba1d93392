"""Broker connections that were never established, or are closed during a write."""

import asyncio
import gc
from typing import Any

import pytest
import uvloop
from yarl import URL

from contracts.broker.write_coalescing import (
    TURNS,
    CoalescingConnection,
    CoalescingTransport,
)


async def test_an_unopened_connection_is_collected_in_any_thread_without_a_warning():
    """pytest is configured to raise warnings of coroutines that were never awaited."""
    held = [CoalescingConnection(URL("amqp://broker.test/"))]

    def collect() -> None:
        held.clear()
        gc.collect()

    await asyncio.to_thread(collect)


@pytest.mark.parametrize("size", [10, 100_000])
def test_data_for_a_closed_connection_is_dropped_without_an_error(size: int) -> None:
    """The library closes the writer before its channels; only uvloop raises for a late write."""

    async def write_late() -> list[dict[str, Any]]:
        reported: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        listening = asyncio.start_server(lambda _, peer: peer.close(), "127.0.0.1", 0)
        async with await listening as server:
            port = server.sockets[0].getsockname()[1]
            transport = CoalescingTransport()
            reader, writer = await transport.create(
                URL(f"amqp://127.0.0.1:{port}"), ssl_context_provider=None
            )
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            transport.write(b"x" * size)
            for _ in range(2 * TURNS):
                await asyncio.sleep(0)
        return reported

    assert uvloop.run(write_late()) == []
