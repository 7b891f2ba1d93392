"""Waits for a condition, with a time limit."""

import time
from collections.abc import Callable
from typing import TypeVar

from deploy.failed import Failed

Found = TypeVar("Found")

Say = Callable[[str], None]
"""Prints a message of one line for the user."""


def wait_until(
    condition: Callable[[], Found | None], seconds: float, expected: str, interval: float = 0.05
) -> Found:
    """Return the condition's first true value. Raises Failed with `expected` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"timeout after {seconds:g} s, expected: {expected}")
        time.sleep(interval)
    return found
