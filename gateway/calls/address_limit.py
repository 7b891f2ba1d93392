"""A limit per address on the commands of this gateway that wait for replies."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.faults import Code, Fault

MAX_WAITING = 32
"""The owner of a partition prefetches `topology.PREFETCH` commands of all gateways: the commands to
one unresponsive target must not use up the prefetch.
"""

RETRY_AFTER_S = 5
"""Long for a target that responds, so that an unresponsive target is not retried more often."""


class AddressLimit:
    """The number of waiting commands by routing key; a key without waiting commands is removed."""

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Count a command while it waits; raise `gateway_busy` if its address is at the limit."""
        waiting = self._waiting.get(key, 0)
        if waiting >= MAX_WAITING:
            provider, _, address = key.split(".", 2)
            raise Fault(
                Code.GATEWAY_BUSY,
                f"{waiting} commands to {address} of the provider {provider!r} already wait for "
                "replies; this command was not sent",
                retry_after=RETRY_AFTER_S,
            )
        self._waiting[key] = waiting + 1
        try:
            yield
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        left = self._waiting.pop(key) - 1
        if left:
            self._waiting[key] = left
