"""Delays and retries while AWS is busy, within the deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs.aws.errors import Failure

Result = TypeVar("Result")

ROOM_S = 1.0
"""The part of the deadline that must be left after a delay, for the next requests."""
ATTEMPTS = 4


async def pause(call: Call, seconds: float, room_s: float = ROOM_S) -> bool:
    """Wait, or return False at once if less than `room_s` would be left after that."""
    if seconds + room_s >= call.left():
        return False
    await asyncio.sleep(seconds)
    return True


async def retry(
    call: Call,
    base_s: float,
    transient: Collection[str],
    why: str,
    work: Callable[[], Awaitable[Result]],
) -> Result:
    """Retry work that fails with one of AWS's codes for transient states.

    `base_s` is the first delay in seconds, which doubles each time; `why` is the message for a
    state that lasts.
    """
    failed = 0
    while True:
        try:
            return await work()
        except Failure as failure:
            if failure.aws_code not in transient:
                raise
            failed += 1
            if failed == ATTEMPTS or not await pause(call, base_s * 2 ** (failed - 1)):
                # A repeat may succeed, because the state is transient: the code must allow it.
                raise Fault(Code.PLATFORM_FAILED, f"{why}: {failure.message}") from failure
            call.retried(failure.code)
