"""Waits between two looks at something that AWS is still busy with, within the deadline."""

import asyncio

from worker.provider import Call

ROOM_S = 1.0
"""What must be left of the deadline after a wait, for what has to be asked then."""


async def pause(call: Call, seconds: float) -> bool:
    """Wait, or say at once that there is no time for it."""
    if seconds + ROOM_S >= call.left():
        return False
    await asyncio.sleep(seconds)
    return True
