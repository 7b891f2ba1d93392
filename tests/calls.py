"""Provider calls whose deadlines do not depend on the load of the machine."""

import asyncio
import time
from collections.abc import Callable

from worker.provider import Call

AMPLE_S = 60.0
"""A deadline that no test reaches."""


def ample() -> Call:
    """Return a call with a deadline that is not reached."""
    return Call.within(AMPLE_S)


class Ending(Call):
    """A call whose deadline passes when a condition holds."""

    def __init__(self, has_passed: Callable[[], object], *, redelivered: bool = False) -> None:
        super().__init__(time.monotonic() + AMPLE_S, redelivered=redelivered)
        self._has_passed = has_passed

    def left(self) -> float:
        return 0.0 if self._has_passed() else super().left()


def pass_time(seconds: float) -> None:
    """Advance the clock of the running loop, so that its timers fire earlier."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    loop.time = lambda: clock() + seconds  # type: ignore[method-assign]  # the loop calls it
