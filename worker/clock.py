"""How long a message has left, though the clocks of publishers and workers differ."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from contracts.topology import EVENTS, PARTITION_TTL_MS
from contracts.wire import HEADER_DEADLINE, Message

REMEMBERED_S = 300.0
MOST_PUBLISHERS = 1_000
MOST_S = 86_400.0
"""More is a deadline in another unit than milliseconds, and says nothing about this clock."""


class Clock:
    """Learns how far behind a publisher's clock this machine's is from messages of the future.

    Each publisher's messages count for itself: the clock of one that runs ahead must not shorten
    the time of everybody's commands.
    """

    def __init__(
        self,
        epoch: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epoch = epoch
        self._monotonic = monotonic
        self._publishers: OrderedDict[str, _Learnt] = OrderedDict()

    @property
    def behind(self) -> float:
        """The seconds that this clock is behind every publisher of the last five minutes, at least.

        The smallest, since what all of them say is this clock's fault, and what one says its own.
        """
        oldest = self._monotonic() - REMEMBERED_S
        self._forget(oldest)
        return min((learnt.most(oldest) for learnt in self._publishers.values()), default=0.0)

    def expires_at(self, message: Message) -> float:
        """When a message that was delivered just now has no time left, on the monotonic clock.

        The deadline is told by the publisher's clock, the expiration is the same as a duration.
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
        """The seconds that this clock is behind a message's publisher, at least.

        A message that has waited tells too little by itself. Where its publisher is not known this
        clock is taken to be behind it as well, as far as it is behind all that are known.
        """
        oldest = self._monotonic() - REMEMBERED_S
        self._forget(oldest)
        publisher = _publisher(message)
        known = self._publishers.get(publisher)
        behind = self.behind if known is None else known.most(oldest)
        ahead = _ahead(message, now)
        if ahead is None:
            return behind
        if publisher:
            self._remember(publisher, ahead)
        return max(behind, ahead)

    def _remember(self, publisher: str, ahead: float) -> None:
        self._publishers.setdefault(publisher, _Learnt()).add(int(self._monotonic()), ahead)
        self._publishers.move_to_end(publisher)

    def _forget(self, oldest: float) -> None:
        """Forget the publishers unseen for longest: gateways that are gone, or too many."""
        while self._publishers:
            publisher, learnt = next(iter(self._publishers.items()))
            if learnt.last_second >= oldest and len(self._publishers) <= MOST_PUBLISHERS:
                return
            del self._publishers[publisher]


class _Learnt:
    """What the messages of one publisher have told, and in which second; one value for each."""

    def __init__(self) -> None:
        self._values: deque[tuple[int, float]] = deque()

    @property
    def last_second(self) -> int:
        """When it was last seen."""
        return self._values[-1][0]

    def add(self, second: int, value: float) -> None:
        """Smaller values from before can never be the largest again."""
        while self._values and self._values[-1][1] <= value:
            self._values.pop()
        if not self._values or self._values[-1][0] < second:
            self._values.append((second, value))

    def most(self, oldest: float) -> float:
        """The largest since then; what is older is forgotten."""
        while self._values[0][0] < oldest:
            self._values.popleft()
        return self._values[0][1]


def _publisher(message: Message) -> str:
    """The gateway that published a message, whichever its connection; empty for anybody else.

    A producer may name any queue that it likes in an event.
    """
    if message.exchange == EVENTS or not message.reply_to:
        return ""
    return message.reply_to.rpartition(".")[0] or message.reply_to


def _ahead(message: Message, now: float) -> float | None:
    """How far in the future a message was published, None where it does not tell; never negative.

    From the past it comes as well when it has waited, so that says nothing about the clocks.
    """
    deadline = message.headers.get(HEADER_DEADLINE)
    if type(deadline) is not int or message.expiration is None:
        return None
    ahead = (deadline - message.expiration) / 1000 - now
    return max(0.0, ahead) if ahead < MOST_S else None


def _default_deadline(message: Message, now: float, wait: int) -> int:
    """As long as messages may wait, counted from the timestamp: in whole seconds, so one more."""
    published = now if message.timestamp is None else message.timestamp + 1
    return int(published * 1000) + min(wait, PARTITION_TTL_MS)
