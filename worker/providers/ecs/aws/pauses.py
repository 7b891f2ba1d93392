"""Waits for AWS while it is still busy with something, within the deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs.aws.errors import Failure

Result = TypeVar("Result")

ROOM_S = 1.0
"""What must be left of the deadline after a wait, for what has to be asked then."""
ATTEMPTS = 4


async def pause(call: Call, seconds: float, room_s: float = ROOM_S) -> bool:
    """Wait, or say at once that less than `room_s` would be left after that."""
    if seconds + room_s >= call.left():
        return False
    await asyncio.sleep(seconds)
    return True


async def persist(
    call: Call,
    base_s: float,
    passing: Collection[str],
    why: str,
    work: Callable[[], Awaitable[Result]],
) -> Result:
    """Try again a few times what fails with one of AWS's codes for what passes by itself.

    `base_s` is the first of the waits in seconds, each twice the one before; `why` says in words
    what it was that did not pass.
    """
    failed = 0
    while True:
        try:
            return await work()
        except Failure as failure:
            if failure.aws_code not in passing:
                raise
            failed += 1
            if failed == ATTEMPTS or not await pause(call, base_s * 2 ** (failed - 1)):
                # It does pass at some time, so a repeat may succeed: the code has to say that.
                raise Fault(Code.PLATFORM_FAILED, f"{why}: {failure.message}") from failure
