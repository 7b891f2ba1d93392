"""Places: how many commands of this gateway wait for each thing, and that they are not too many."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.faults import Code, Fault

MOST = 32
"""A partition's owner holds `topology.PREFETCH` commands, from all gateways: a thing that does not
answer shall not have all of them.
"""

RETRY_AFTER_S = 5
"""What answers has room much sooner, and what hangs is not asked more often."""


class Places:
    """Counts the commands under each routing key; a key that nobody waits under is forgotten."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    @contextmanager
    def place(self, key: str) -> Iterator[None]:
        """Wait under a key; raises `gateway_busy` where enough do."""
        taken = self._taken.get(key, 0)
        if taken >= MOST:
            provider, _, address = key.split(".", 2)
            raise Fault(
                Code.GATEWAY_BUSY,
                f"{taken} commands to {address} of the provider {provider!r} wait for its answer "
                "already, and this one was not sent",
                retry_after=RETRY_AFTER_S,
            )
        self._taken[key] = taken + 1
        try:
            yield
        finally:
            self._leave(key)

    def _leave(self, key: str) -> None:
        left = self._taken.pop(key) - 1
        if left:
            self._taken[key] = left
