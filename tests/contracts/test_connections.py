"""Broker connections that were never established, or are closed during a write."""

import asyncio
import gc
import socket
from typing import Any

import pytest
import uvloop
from yarl import URL

from contracts.broker.write_coalescing import (
    FEW_BYTES,
    TURNS,
    CoalescingConnection,
    CoalescingTransport,
)
from tests.stack import BOUND_S


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


def test_several_transient_messages_are_sent_before_the_turn_of_the_event_loop_ends() -> None:
    """The broker works on them meanwhile."""

    async def received() -> tuple[bytes, bytes]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            transport = CoalescingTransport()
            url = URL(f"amqp://127.0.0.1:{listening.getsockname()[1]}")
            _, writer = await transport.create(url, ssl_context_provider=None)
            peer, _ = await asyncio.to_thread(listening.accept)
            with peer:
                peer.settimeout(BOUND_S)
                transport.write(b"few", FEW_BYTES)
                transport.write(b"x" * FEW_BYTES, FEW_BYTES)
                at_once = peer.recv(2 * FEW_BYTES)
                transport.write(b"x" * FEW_BYTES)
                transport.write(b"last")
                peer.setblocking(False)
                with pytest.raises(BlockingIOError):
                    peer.recv(1)
                peer.settimeout(BOUND_S)
                later = await asyncio.to_thread(peer.recv, 2 * FEW_BYTES)
            writer.close()
            return at_once, later

    at_once, later = uvloop.run(received())

    assert at_once == b"few" + b"x" * FEW_BYTES
    assert later == b"x" * FEW_BYTES + b"last"
