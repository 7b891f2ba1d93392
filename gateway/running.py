"""Which commands were started and have not ended, by the outcomes that the recorder reads."""

import time

from contracts.broker.channel import Delivery
from contracts.outcomes import Result
from contracts.topology import MINUTE_MS, PARTITION_TTL_MS

FORGET_S = (PARTITION_TTL_MS + MINUTE_MS) / 1000
"""No command waits longer, whatever became of it."""


class Running:
    """Marks of commands that were started.

    The delivery of an outcome `started` stays unacknowledged until the command's end: so the broker
    keeps the marks and gives them to the next recorder. Without them nobody could tell a command
    that expired after its worker was lost from one that never began, since the broker leaves
    no trace of earlier deliveries in what it ends.
    """

    def __init__(self, most: int) -> None:
        """Keep at most so many marks; where there are more, any command may have been started."""
        self._most = most
        self._marks: dict[str, tuple[float, Delivery]] = {}
        self._complete_from = float("-inf")

    def take(self, delivery: Delivery) -> list[Delivery]:
        """Learn from an outcome; which deliveries to acknowledge now."""
        identity = delivery.message.correlation_id or ""
        former = self._marks.pop(identity, None)
        settled = [] if former is None else [former[1]]
        if delivery.message.key.partition(".")[0] != Result.STARTED:
            return [*settled, delivery]
        self._marks[identity] = (time.monotonic(), delivery)
        return [*settled, *self._forgotten()]

    def may_have_started(self, identity: str) -> bool:
        """Whether a command was started, as far as can be known."""
        return identity in self._marks or time.monotonic() < self._complete_from

    def _forgotten(self) -> list[Delivery]:
        """The oldest marks, where they are too old or too many."""
        now = time.monotonic()
        forgotten = []
        while self._marks:
            identity, (since, delivery) = next(iter(self._marks.items()))
            is_old = now - since > FORGET_S
            if not is_old and len(self._marks) <= self._most:
                break
            if not is_old:
                self._complete_from = now + FORGET_S
            del self._marks[identity]
            forgotten.append(delivery)
        return forgotten
