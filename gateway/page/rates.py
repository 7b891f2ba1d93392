"""Rates and latencies of the last minute, by provider; no I/O."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable

from msgspec import Struct

from contracts.records.results import Result
from gateway.page.rows import Row

WINDOW_S = 60
SLOT_S = 5
STEP = 1.1
"""The ratio of two bounds of a histogram, and so the precision of a percentile: 5 %."""


class Minute(Struct, frozen=True, rename="camel"):
    """The commands that ended in the last minute, by result, and percentiles in milliseconds."""

    results: dict[Result, int]
    waited: list[int]
    """The 50th and the 95th percentile of the times from the request to the start; may be empty."""
    took: list[int]


class Slot:
    """The commands that ended in SLOT_S seconds."""

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.waited: Counter[int] = Counter()
        self.took: Counter[int] = Counter()


class Rates:
    """Counts final records in slots of time; the cost does not depend on their number."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns seconds of the Unix epoch."""
        self._now = now
        self._slots: dict[str, dict[int, Slot]] = defaultdict(dict)

    def add(self, row: Row) -> None:
        """Count a final record by the time of its end."""
        slots = self._slots[row.provider]
        slot = slots.setdefault(row.at // 1000 // SLOT_S, Slot())
        slot.results[row.result] += 1
        if row.waited is not None:
            slot.waited[_bucket(row.waited)] += 1
        if row.took is not None:
            slot.took[_bucket(row.took)] += 1
        if len(slots) > 2 * WINDOW_S // SLOT_S:
            self._slots[row.provider] = self._recent(slots)

    def minute(self, provider: str) -> Minute:
        """Return what ended in the last minute."""
        recent = self._recent(self._slots.get(provider, {})).values()
        results: Counter[Result] = sum((slot.results for slot in recent), Counter())
        waited: Counter[int] = sum((slot.waited for slot in recent), Counter())
        took: Counter[int] = sum((slot.took for slot in recent), Counter())
        return Minute(dict(results), _percentiles(waited), _percentiles(took))

    def _recent(self, slots: dict[int, Slot]) -> dict[int, Slot]:
        oldest = int(self._now()) // SLOT_S - WINDOW_S // SLOT_S
        return {number: slot for number, slot in slots.items() if number > oldest}


def _bucket(milliseconds: int) -> int:
    return round(math.log(milliseconds + 1, STEP))


def _percentiles(buckets: Counter[int]) -> list[int]:
    """Return the 50th and the 95th percentile, nothing without a value."""
    total, found = buckets.total(), []
    for part in (0.5, 0.95):
        passed = 0
        for bucket, number in sorted(buckets.items()):
            passed += number
            if passed >= part * total:
                found.append(round(STEP**bucket - 1))
                break
    return found
