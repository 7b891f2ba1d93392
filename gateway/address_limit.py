"""A limit of the commands of this gateway that wait for replies, per address."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.faults import Code, Fault

MOST = 32
"""The owner of a partition holds `topology.PREFETCH` commands of all gateways: an unresponsive
target must not take all of them.
"""

RETRY_AFTER_S = 5
"""A target that answers has room much sooner; an unresponsive one is not asked more often."""


class AddressLimit:
    """Counts the waiting commands by routing key; a key without any is dropped."""

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Count a command while it waits; raises `gateway_busy` if its address is at the limit."""
        waiting = self._waiting.get(key, 0)
        if waiting >= MOST:
            provider, _, address = key.split(".", 2)
            raise Fault(
                Code.GATEWAY_BUSY,
                f"{waiting} commands to {address} of the provider {provider!r} wait for its answer "
                "already, and this one was not sent",
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
