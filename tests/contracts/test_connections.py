"""A connection to the broker that never came about leaves nothing behind."""

import asyncio
import gc

from yarl import URL

from contracts.broker.write_coalescing import CoalescingConnection


async def test_it_is_collected_in_any_thread_without_a_warning():
    """Warnings of what nobody awaited are errors here."""
    held = [CoalescingConnection(URL("amqp://broker.test/"))]

    def collect() -> None:
        held.clear()
        gc.collect()

    await asyncio.to_thread(collect)
