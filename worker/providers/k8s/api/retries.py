"""Decides whether a failed request is sent again, and when; sends nothing and waits for nothing."""

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
    Again.CONFLICT: 1000,  # in effect until the deadline: a 409 must not surface
    Again.MOVED: 1000,
}
FIRST_S = 0.1
LONGEST_S = 2.0
ROOM_S = 0.25
"""What must be left of the deadline after a wait, for the request itself."""


def needs_look(request: Request) -> frozenset[Again]:
    """The failures after which the same request is not sent again without another look.

    A creation may have happened, what names a version needs the new one, and a list that expired
    needs another token.
    """
    if request.method == "POST":
        return frozenset({Again.LOST, Again.CONFLICT})
    return frozenset({Again.CONFLICT, Again.EXPIRED} if request.names_version else {Again.EXPIRED})


class Patience:
    """How often one request was repeated already, and why."""

    def __init__(self) -> None:
        self._repeats: Counter[Again] = Counter()

    def pause(self, failure: Failure, left: float) -> float | None:
        """The seconds to wait before the next attempt, None when there is to be none."""
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
                # Spread over a little more than was asked for, or all callers return at once.
                return (failure.retry_after or 0) + random.uniform(0, FIRST_S)
            case again:
                ceiling = min(LONGEST_S, FIRST_S * 2 ** (self._repeats[again] - 1))
                return random.uniform(0, ceiling)
