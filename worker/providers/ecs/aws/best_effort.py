"""Attempts at optional work: a failure becomes a message and fails nothing else."""

import asyncio
import math
from collections.abc import Awaitable

from msgspec import Struct

from contracts.faults import Fault
from worker.provider import Call
from worker.providers.ecs.aws.pauses import ROOM_S


class Attempt(Struct, frozen=True):
    """The result of an attempt; `left` are messages about what could not be done."""

    done: bool
    left: list[str] = []


async def attempt(
    call: Call, what: str, work: Awaitable[bool | None], longest: float = math.inf
) -> Attempt:
    """Await optional work, up to the deadline minus the time for the answer.

    The work returns False if there was nothing to do. `longest` is a limit in seconds.
    """
    limit = asyncio.timeout(max(0.0, min(longest, call.left() - ROOM_S)))
    try:
        async with limit:
            return Attempt(await work is not False)
    except TimeoutError:
        if not limit.expired():
            raise
        return Attempt(False, [f"{what}: no time was left before the deadline"])
    except Fault as fault:
        return Attempt(False, [f"{what}: {fault.message}"])
