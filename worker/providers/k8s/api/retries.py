"""Decide whether and when a failed request is sent again; pure."""

import random
from collections import Counter

from worker.providers.k8s.api.errors import Again, Failure
from worker.providers.k8s.api.requests import Request

REPEATS = {
    Again.NEVER: 0,
    Again.LOST: 5,
    Again.LATER: 2,
    Again.EXPIRED: 5,
    Again.UNAUTHORIZED: 1,
    Again.CONFLICT: 1000,  # effectively until the deadline: a 409 must not reach the caller
    Again.MOVED: 1000,
}
FIRST_S = 0.1
LONGEST_S = 2.0
ROOM_S = 0.25
"""Time that a retry needs before the deadline."""


def needs_read(request: Request) -> frozenset[Again]:
    """Return the failures after which the caller reads again instead of repeating the request.

    A creation may have succeeded, a write with a resourceVersion needs the new version, and an
    expired list needs another continue token.
    """
    if request.method == "POST":
        return frozenset({Again.LOST, Again.CONFLICT})
    return frozenset({Again.CONFLICT, Again.EXPIRED} if request.names_version else {Again.EXPIRED})


class RetryBudget:
    """The retries of one request, counted by cause."""

    def __init__(self) -> None:
        self._repeats: Counter[Again] = Counter()

    def pause(self, failure: Failure, left: float) -> float | None:
        """Return the seconds to wait before the next attempt, None if there is none."""
        again = failure.again
        if self._repeats[again] >= REPEATS[again]:
            return None
        self._repeats[again] += 1
        delay = self._delay(failure)
        return delay if delay + ROOM_S < left else None

    def _delay(self, failure: Failure) -> float:
        match failure.again:
            case Again.UNAUTHORIZED:
                return 0.0
            case Again.LATER:
                # Jitter above Retry-After, so that not all clients return at once.
                return (failure.retry_after or 0) + random.uniform(0, FIRST_S)
            case again:
                ceiling = min(LONGEST_S, FIRST_S * 2 ** (self._repeats[again] - 1))
                return random.uniform(0, ceiling)
