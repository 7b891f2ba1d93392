"""The queries that this gateway answered in the last minute, from its own metrics; no I/O."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from contracts.observation.registry import BUCKETS_S

WINDOW_S = 60.0
SAMPLE_S = 5.0

Counts = Mapping[str, Sequence[int]]
"""The numbers of queries since the start of the gateway by provider, for each of BUCKETS_S."""


class Answered(Struct, frozen=True):
    """The rate per minute, and the 50th and 95th percentile as bounds in milliseconds."""

    rate: int
    took: list[int]


class Queries:
    """Compares the numbers with those of a minute ago; the first samples are those of a viewer."""

    def __init__(self, counts: Callable[[], Counts], now: Callable[[], float]) -> None:
        """`now` returns seconds."""
        self._counts = counts
        self._now = now
        self._samples: deque[tuple[float, Counts]] = deque()

    def sample(self) -> None:
        """Remember the present numbers, every SAMPLE_S; called while the page has viewers."""
        now = self._now()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, self._counts()))
        while now - self._samples[0][0] > WINDOW_S + SAMPLE_S:
            self._samples.popleft()

    def minute(self, provider: str) -> Answered | None:
        """Return the rate and the percentiles, None before the second sample."""
        if len(self._samples) < 2:
            return None
        (since, former), (until, present) = self._samples[0], self._samples[-1]
        none = [0] * (len(BUCKETS_S) + 1)
        pairs = zip(present.get(provider, none), former.get(provider, none), strict=True)
        buckets = [new - old for new, old in pairs]
        return Answered(round(sum(buckets) * 60 / (until - since)), _percentiles(buckets))


def _percentiles(buckets: list[int]) -> list[int]:
    total, found = sum(buckets), []
    if total:
        for part in (0.5, 0.95):
            passed = 0
            for number, bound in zip(buckets, (*BUCKETS_S, BUCKETS_S[-1]), strict=True):
                passed += number
                if passed >= part * total:
                    found.append(max(1, round(bound * 1000)))
                    break
    return found
