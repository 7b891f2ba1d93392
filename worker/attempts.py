"""Promise 2 for every provider: a 429 or 503 means that nothing was attempted and nothing will be.

A provider sends each request through these classes. They limit the requests that run at once, keep
track of requests that may have had an effect, and turn a 429 or 503 after such a request into 502.
"""

import asyncio
from typing import NoReturn

from contracts.faults import NOT_ATTEMPTED, Code, Fault
from worker.provider import Call


class Slots:
    """Limits of concurrent requests to one platform, separate for reads and changes.

    Changes that hang, for example in an admission webhook, therefore do not block reads.
    """

    def __init__(self, limit: int) -> None:
        self._reads = asyncio.Semaphore(limit)
        self._changes = asyncio.Semaphore(limit)

    def slot(self, *, changes: bool) -> asyncio.Semaphore:
        """Return the semaphore that a request holds while it runs."""
        return self._changes if changes else self._reads


class Attempts:
    """The requests of one call that may have had an effect."""

    def __init__(self) -> None:
        self.effects = 0
        """The number of requests that had an effect or may have had one."""

    def count(self, *, changes: bool, arrived: bool = True) -> None:
        """Count a request that changes something, if it arrived or may have arrived."""
        self.effects += changes and arrived

    async def wait(self, failure: Fault, pause: float | None) -> None:
        """Wait before a retry; if `pause` is None, raise the fault of the call."""
        if pause is None:
            self.give_up(failure)
        await asyncio.sleep(pause)

    def give_up(self, failure: Fault) -> NoReturn:
        """Raise the fault of the call; after a possible effect never a 429 or 503."""
        if self.effects and failure.status in NOT_ATTEMPTED:
            raise Fault(
                Code.PLATFORM_FAILED,
                f"the operation may have had an effect before this failure: {failure.message}",
            ) from failure
        raise failure


def time_left(call: Call, request: str) -> float:
    """Return the seconds left for a request; raises Fault if there are none."""
    left = call.left()
    if left <= 0:
        raise Fault(Code.DEADLINE_EXCEEDED, f"the deadline passed before {request}")
    return left
