"""The rows of priorities that this worker's writers are about to take: no two want the same."""

from collections.abc import Iterable


class Rows:
    """By writer, what it holds until its rules are there for all to see."""

    def __init__(self) -> None:
        self._held: dict[object, frozenset[int]] = {}

    def of_others(self, writer: object) -> frozenset[int]:
        """What all but one writer hold."""
        others = (row for held_by, row in self._held.items() if held_by is not writer)
        return frozenset().union(*others)

    def hold(self, writer: object, row: Iterable[int]) -> None:
        """Hold a row, instead of the one that was held before."""
        self._held[writer] = frozenset(row)

    def release(self, writer: object) -> None:
        """Hold none any more."""
        self._held.pop(writer, None)
