"""How long a message has left, though the clocks of publishers and workers differ."""

import time
from collections import deque
from collections.abc import Callable

from contracts.topology import EVENTS, PARTITION_TTL_MS
from contracts.wire import HEADER_DEADLINE, Message

REMEMBERED_S = 300.0
MOST_S = 86_400.0
"""More is a deadline in another unit than milliseconds, and says nothing about this clock."""


class Clock:
    """Learns how far behind this machine's clock is from messages that come from the future."""

    def __init__(
        self,
        epoch: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epoch = epoch
        self._monotonic = monotonic
        self._behind: deque[tuple[float, float]] = deque()

    @property
    def behind(self) -> float:
        """The seconds that this clock is behind at least, after the last five minutes' messages."""
        oldest = self._monotonic() - REMEMBERED_S
        while self._behind and self._behind[0][0] < oldest:
            self._behind.popleft()
        return self._behind[0][1] if self._behind else 0.0

    def expires_at(self, message: Message) -> float:
        """When a message that was delivered just now has no time left, on the monotonic clock.

        The deadline is told by the publisher's clock, the expiration is the same as a duration, so
        their difference is the time of publishing by the publisher's clock. What an event says of
        the clocks counts for itself alone: a producer's wrong clock must not shorten the time of
        everybody's commands.
        """
        now = self._epoch()
        behind = self.behind
        deadline = message.headers.get(HEADER_DEADLINE)
        wait = PARTITION_TTL_MS if message.expiration is None else message.expiration
        if type(deadline) is not int:
            deadline = _default_deadline(message, now + behind, wait)
        elif message.expiration is not None:
            ahead = (deadline - message.expiration) / 1000 - now
            if 0 < ahead < MOST_S:
                behind = max(behind, ahead)
                if message.exchange != EVENTS:
                    self._remember(ahead)
        left = min(deadline / 1000 - (now + behind), min(wait, PARTITION_TTL_MS) / 1000)
        return self._monotonic() + left

    def _remember(self, behind: float) -> None:
        """Smaller values from before can never be the largest again."""
        while self._behind and self._behind[-1][1] <= behind:
            self._behind.pop()
        self._behind.append((self._monotonic(), behind))


def _default_deadline(message: Message, now: float, wait: int) -> int:
    """As long as messages may wait, counted from the timestamp: in whole seconds, so one more."""
    published = now if message.timestamp is None else message.timestamp + 1
    return int(published * 1000) + min(wait, PARTITION_TTL_MS)
