"""The balance of partitions between the workers of a provider."""

import asyncio
import math
import random
from collections.abc import Sequence

from worker.partitions.partition import Partition

BALANCE_S = 2.0


class Balance:
    """Releases partitions beyond a fair share, one at a time, to waiting workers."""

    def __init__(self) -> None:
        self._workers = 1

    def set_workers(self, workers: int) -> None:
        """Set the number of workers that share the partitions, as a gateway counted it."""
        self._workers = workers

    async def run(self, partitions: Sequence[Partition]) -> None:
        """Release an idle partition at once; if all are busy, one between two commands."""
        while True:
            await asyncio.sleep(BALANCE_S)
            owned = [partition for partition in partitions if partition.is_owned]
            idle = [partition for partition in owned if partition.is_idle]
            if len(owned) <= math.ceil(len(partitions) / self._workers):
                continue
            if idle:
                random.choice(idle).leave()
            else:
                random.choice(owned).release()
