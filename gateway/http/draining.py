"""The start and the drain of a gateway, in which a load balancer sends it no requests.

The drain is the time between the first signal to stop and the end of listening. A load balancer
notices only after some seconds that a gateway is not ready. Until then the gateway serves new
connections too.
"""

import time
from collections.abc import Callable

from contracts.broker.reconnecting import ReconnectingConnection

DRAINING = "draining: the gateway received a signal to stop"
STARTING = "starting: the gateway has not been connected to the broker yet"

STARTING_S = 15.0
"""After this time a gateway serves without a broker too: its answer is 503, with the reason."""


class Draining:
    """The state of a stop: serving, then draining for `seconds`, then over."""

    def __init__(self, seconds: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._until: float | None = None
        self._started_until = now() + STARTING_S

    @property
    def may_wait_for_broker(self) -> bool:
        """True in the first seconds of the process."""
        return self._now() < self._started_until

    @property
    def is_begun(self) -> bool:
        """True from the first signal on."""
        return self._until is not None

    @property
    def is_over(self) -> bool:
        """True when the gateway stops listening."""
        return self._until is not None and self._now() >= self._until

    @property
    def summary(self) -> str:
        """The present step of the stop, for the log."""
        if self.is_over:
            return "listening ends; requests under way are finished"
        return f"draining for {self._seconds:g} seconds; a second signal ends the drain"

    def signalled(self) -> None:
        """Begin to drain; the second signal ends the drain."""
        self._until = self._now() + (0 if self.is_begun else self._seconds)


def not_ready(draining: Draining, link: ReconnectingConnection) -> str | None:
    """Return why a load balancer should send no requests to this gateway, None if it should.

    A new gateway waits for its first connection to the broker, for STARTING_S at most: during a
    rolling upgrade it would otherwise answer 503 in place of a gateway that works. Without a broker
    it serves: all gateways would leave the load balancer, and clients would get no answer at all.
    """
    if draining.is_begun:
        return DRAINING
    return STARTING if draining.may_wait_for_broker and not link.was_up else None
