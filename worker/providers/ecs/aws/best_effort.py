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
    """Try it while there is time to tell of it; work that returns False had nothing to do.

    `longest` is how many seconds it is worth.
    """
    limit = asyncio.timeout(max(0.0, min(longest, call.left() - ROOM_S)))
    try:
        async with limit:
            return Attempt(await work is not False)
    except TimeoutError:
        if not limit.expired():
            raise
        return Attempt(False, [f"{what}: there was no time left for it"])
    except Fault as fault:
        return Attempt(False, [f"{what}: {fault.message}"])
