"""Places: how much a worker does at once, over all of its partitions."""

import asyncio


class Places:
    """What the partitions of a worker share."""

    def __init__(self, concurrency: int) -> None:
        """`concurrency` bounds the commands that run."""
        self.running = asyncio.Semaphore(concurrency)
        self.attaching = asyncio.Lock()
