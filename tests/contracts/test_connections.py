"""A broker connection that was never established is collected without a warning."""

import asyncio
import gc

from yarl import URL

from contracts.broker.write_coalescing import CoalescingConnection


async def test_an_unopened_connection_is_collected_in_any_thread_without_a_warning():
    """pytest is configured to raise warnings of coroutines that were never awaited."""
    held = [CoalescingConnection(URL("amqp://broker.test/"))]

    def collect() -> None:
        held.clear()
        gc.collect()

    await asyncio.to_thread(collect)
