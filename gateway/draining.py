"""The drain of a gateway: the time between the first signal to stop and the end of listening.

A load balancer notices only after some seconds that a gateway is not ready. Until then the gateway
serves new connections too.
"""

import time
from collections.abc import Callable

from contracts.broker.reconnecting import ReconnectingConnection

DRAINING = "draining: the gateway received a signal to stop"
STARTING = "starting: the gateway has not been connected to the broker yet"


class Draining:
    """The state of a stop: serving, then draining for `seconds`, then over."""

    def __init__(self, seconds: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._until: float | None = None

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

    A new gateway waits for its first connection to the broker: during a rolling upgrade it would
    otherwise answer 503 in place of a gateway that works. Later losses of the connection do not
    count: all gateways would leave the load balancer, and clients would get no answer at all.
    """
    if draining.is_begun:
        return DRAINING
    return None if link.was_up else STARTING
