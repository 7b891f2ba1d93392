"""Decides whether and when a failed request is sent again."""

import random

from worker.providers.ecs.aws.errors import Again, Failure
from worker.providers.ecs.settings import Settings

LONGEST_S = 5.0
ROOM_S = 0.25
"""The part of the deadline that must be left after a delay, for the request itself."""


class RetryBudget:
    """The retries of one request, as in botocore's standard mode, but within a deadline.

    botocore's own retries are switched off, because they do not check the fence.
    """

    def __init__(self, settings: Settings) -> None:
        self._attempts = settings.ecs_attempts
        self._base = settings.ecs_retry_base_ms / 1000
        self._sent = 0

    def pause(self, failure: Failure, left: float) -> float | None:
        """Return the delay in seconds before the next attempt, or None if there is none."""
        self._sent += 1
        if failure.again is Again.NEVER or self._sent >= self._attempts:
            return None
        ceiling = min(LONGEST_S, self._base * 2 ** (self._sent - 1))
        delay = failure.requested_delay + random.uniform(0, ceiling)
        return delay if delay + ROOM_S < left else None
