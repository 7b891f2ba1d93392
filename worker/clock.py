"""How long a message has left, though the clocks of publishers and workers differ."""

import time
from collections import deque
from collections.abc import Callable

from contracts.topology import PARTITION_TTL_MS
from contracts.wire import HEADER_DEADLINE, Message

REMEMBERED_S = 300.0


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
        their difference is the time of publishing by the publisher's clock.
        """
        deadline, expiration = _limits(message)
        now = self._epoch()
        self._learn(deadline - expiration - now)
        left = min(deadline - (now + self.behind), expiration)
        return self._monotonic() + left

    def _learn(self, behind: float) -> None:
        """Remember it; smaller values from before can never be the largest again."""
        if behind <= 0:
            return
        while self._behind and self._behind[-1][1] <= behind:
            self._behind.pop()
        self._behind.append((self._monotonic(), behind))


def _limits(message: Message) -> tuple[float, float]:
    """The deadline in seconds of the epoch and the expiration in seconds.

    An event without a deadline has as long as messages may wait, counted from its timestamp.
    """
    milliseconds = PARTITION_TTL_MS if message.expiration is None else message.expiration
    expiration = min(milliseconds, PARTITION_TTL_MS) / 1000
    deadline = message.headers.get(HEADER_DEADLINE)
    if type(deadline) is not int:
        published = time.time() if message.timestamp is None else message.timestamp + 1
        return published + expiration, expiration
    return deadline / 1000, expiration
