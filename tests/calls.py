"""Calls of providers with deadlines that do not depend on how busy the machine is."""

import asyncio
import time
from collections.abc import Callable

from worker.provider import Call

AMPLE_S = 60.0
"""A deadline that is not met: no test waits so long for what it expects."""


def ample() -> Call:
    """A call with time enough, but not for ever."""
    return Call.within(AMPLE_S)


class Ending(Call):
    """A call whose deadline passes as soon as a condition holds, and not before."""

    def __init__(self, has_passed: Callable[[], object], *, redelivered: bool = False) -> None:
        super().__init__(time.monotonic() + AMPLE_S, redelivered=redelivered)
        self._has_passed = has_passed

    def left(self) -> float:
        return 0.0 if self._has_passed() else super().left()


def pass_time(seconds: float) -> None:
    """Let the timers of the running loop be so much closer to their end."""
    loop = asyncio.get_running_loop()
    told = loop.time
    loop.time = lambda: told() + seconds  # type: ignore[method-assign]  # the loop asks itself
