"""The pauses of an informer between failures."""

import random

FIRST_S = 0.25
LONGEST_S = 30.0
LASTING_S = 10.0
"""An informer that worked for this long begins again with the shortest pause."""


class Backoff:
    """Pauses that double with each failure in a row, with jitter."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self, lasted_s: float) -> float:
        """Return the seconds to pause after a failure; the work before it took `lasted_s`."""
        if lasted_s >= LASTING_S:
            self._failures = 0
        pause = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return pause * random.uniform(0.5, 1.0)
