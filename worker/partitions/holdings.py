"""The commands that a partition holds: received, and neither acknowledged nor rejected."""

from worker.partitions.lane import Held


class Holdings:
    """The held commands; some of them were redelivered, and some are begun."""

    def __init__(self) -> None:
        self._held: set[Held] = set()
        self._begun: set[Held] = set()
        self._redelivered: set[Held] = set()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def has_begun(self) -> bool:
        """True if a command started, or is superseded, and is not settled."""
        return bool(self._begun)

    @property
    def has_redelivered(self) -> bool:
        """True if a redelivered command is not settled."""
        return bool(self._redelivered)

    def add(self, held: Held) -> None:
        """Hold a command."""
        self._held.add(held)
        if held.delivery.redelivered:
            self._redelivered.add(held)

    def begin(self, held: Held) -> None:
        """Mark a command as started or superseded."""
        self._begun.add(held)

    def remove(self, held: Held) -> None:
        """Drop a settled command, unless all were dropped meanwhile."""
        self._begun.discard(held)
        self._redelivered.discard(held)
        if held in self._held:
            self._held.remove(held)
            held.drop()

    def clear(self) -> None:
        """Drop all commands: the broker redelivers them to the next owner."""
        for held in self._held:
            held.drop()
        self._held.clear()
        self._begun.clear()
        self._redelivered.clear()
