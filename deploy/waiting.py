"""Waits for a condition, never for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

from deploy.failed import Failed

Found = TypeVar("Found")

Say = Callable[[str], None]
"""Tells the person in front of the terminal one thing, in one line."""


def wait_until(
    condition: Callable[[], Found | None], seconds: float, expected: str, interval: float = 0.05
) -> Found:
    """Return the condition's first true value; after `seconds` fail, naming what was expected."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"{expected}: not so after {seconds:g} s")
        time.sleep(interval)
    return found
