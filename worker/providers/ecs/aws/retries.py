"""Decides whether a failed request is sent again, and when; sends nothing and waits for nothing."""

import random

from worker.providers.ecs.aws.errors import Again, Failure
from worker.providers.ecs.settings import Settings

LONGEST_S = 5.0
ROOM_S = 0.25
"""What must be left of the deadline after a wait, for the request itself."""


class Patience:
    """How often one request was sent already; as botocore's standard mode, but within a deadline.

    botocore's own repeats do not ask whether the run is still ours, so they are switched off.
    """

    def __init__(self, settings: Settings) -> None:
        self._attempts = settings.ecs_attempts
        self._base = settings.ecs_retry_base_ms / 1000
        self._sent = 0

    def pause(self, failure: Failure, left: float) -> float | None:
        """The seconds to wait before the next attempt, None when there is to be none."""
        self._sent += 1
        if failure.again is Again.NEVER or self._sent >= self._attempts:
            return None
        ceiling = min(LONGEST_S, self._base * 2 ** (self._sent - 1))
        delay = failure.wish + random.uniform(0, ceiling)
        return delay if delay + ROOM_S < left else None
