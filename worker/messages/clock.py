"""The time left for a message, corrected for differences between publisher and worker clocks."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from contracts.topology import EVENTS, PARTITION_TTL_MS
from contracts.wire import HEADER_DEADLINE, Message

REMEMBERED_S = 300.0
MAX_PUBLISHERS = 1_000
MAX_AHEAD_S = 86_400.0
"""A larger difference means a deadline in another unit than milliseconds, and is ignored."""


class Clock:
    """Learns from messages "from the future" how far this clock is behind its publishers' clocks.

    The difference is kept per publisher: a publisher whose clock runs ahead must not shorten the
    time of other publishers' commands.
    """

    def __init__(
        self,
        epoch: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epoch = epoch
        self._monotonic = monotonic
        self._publishers: OrderedDict[str, _Differences] = OrderedDict()

    @property
    def behind(self) -> float:
        """The smallest difference to a publisher of the last 5 minutes, in seconds.

        A difference to all publishers is this clock's error; a larger difference to one publisher
        is the error of that publisher's clock.
        """
        oldest = self._monotonic() - REMEMBERED_S
        self._forget(oldest)
        return min((each.largest(oldest) for each in self._publishers.values()), default=0.0)

    def expires_at(self, message: Message) -> float:
        """Return the deadline of a message that was just delivered, on the monotonic clock.

        The header `deadline` is a time of the publisher's clock; `expiration` is the same limit as
        a duration.
        """
        now = self._epoch()
        behind = self._behind_publisher(message, now)
        wait = PARTITION_TTL_MS if message.expiration is None else message.expiration
        deadline = message.headers.get(HEADER_DEADLINE)
        if type(deadline) is not int:
            deadline = _default_deadline(message, now + behind, wait)
        left = min(deadline / 1000 - (now + behind), min(wait, PARTITION_TTL_MS) / 1000)
        return self._monotonic() + left

    def _behind_publisher(self, message: Message, now: float) -> float:
        """Return a lower bound of the seconds by which this clock is behind a message's publisher.

        A message that has waited in a queue shows too small a difference. An unknown publisher is
        assumed to have the difference of `behind`.
        """
        oldest = self._monotonic() - REMEMBERED_S
        self._forget(oldest)
        publisher = _publisher(message)
        known = self._publishers.get(publisher)
        behind = self.behind if known is None else known.largest(oldest)
        ahead = _ahead(message, now)
        if ahead is None:
            return behind
        if publisher:
            self._remember(publisher, ahead)
        return max(behind, ahead)

    def _remember(self, publisher: str, ahead: float) -> None:
        self._publishers.setdefault(publisher, _Differences()).add(int(self._monotonic()), ahead)
        self._publishers.move_to_end(publisher)

    def _forget(self, oldest: float) -> None:
        """Drop the least recently seen publishers."""
        while self._publishers:
            publisher, differences = next(iter(self._publishers.items()))
            if differences.last_second >= oldest and len(self._publishers) <= MAX_PUBLISHERS:
                return
            del self._publishers[publisher]


class _Differences:
    """The differences to one publisher: the largest of each second."""

    def __init__(self) -> None:
        self._values: deque[tuple[int, float]] = deque()

    @property
    def last_second(self) -> int:
        """The second of the last message."""
        return self._values[-1][0]

    def add(self, second: int, value: float) -> None:
        """Add a value; drop earlier smaller ones, which can never be the maximum again."""
        while self._values and self._values[-1][1] <= value:
            self._values.pop()
        if not self._values or self._values[-1][0] < second:
            self._values.append((second, value))

    def largest(self, oldest: float) -> float:
        """Return the maximum since a second; drop earlier values."""
        while self._values[0][0] < oldest:
            self._values.popleft()
        return self._values[0][1]


def waited(message: Message, left: float) -> float | None:
    """Return the seconds since the publish of a message, None if unknown.

    `left` are the seconds until its deadline from `Clock.expires_at`, which counts by the
    publisher's clock until the delivery.
    """
    if message.expiration is None and HEADER_DEADLINE in message.headers:
        return None
    limit = PARTITION_TTL_MS if message.expiration is None else message.expiration
    return max(0.0, min(limit, PARTITION_TTL_MS) / 1000 - left)


def _publisher(message: Message) -> str:
    """Return the gateway that published a message, the same for all its connections, or "".

    The `reply_to` of an event is ignored: a producer may name any queue.
    """
    if message.exchange == EVENTS or not message.reply_to:
        return ""
    return message.reply_to.rpartition(".")[0] or message.reply_to


def _ahead(message: Message, now: float) -> float | None:
    """Return by how many seconds a message is from the future, at least 0; None if unknown.

    A message from the past may have waited in a queue, and shows nothing about the clocks.
    """
    deadline = message.headers.get(HEADER_DEADLINE)
    if type(deadline) is not int or message.expiration is None:
        return None
    ahead = (deadline - message.expiration) / 1000 - now
    return max(0.0, ahead) if ahead < MAX_AHEAD_S else None


def _default_deadline(message: Message, now: float, wait: int) -> int:
    """Return the deadline of a message without one: the longest wait after its timestamp."""
    published = now if message.timestamp is None else message.timestamp + 1
    return int(published * 1000) + min(wait, PARTITION_TTL_MS)
