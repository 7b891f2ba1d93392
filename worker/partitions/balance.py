"""The balance of partitions between the workers of a provider."""

import asyncio
import math
import random
from collections.abc import Sequence

from worker.partitions.partition import Partition

BALANCE_S = 2.0


class Balance:
    """Releases partitions beyond a fair share, one at a time, to workers that wait for them."""

    def __init__(self) -> None:
        self._workers = 1

    def learn(self, workers: int) -> None:
        """Take note of the number of workers that share the partitions, told by a gateway."""
        self._workers = workers

    async def run(self, partitions: Sequence[Partition]) -> None:
        """Release idle partitions at once; if all are busy, one whose commands end soon."""
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
