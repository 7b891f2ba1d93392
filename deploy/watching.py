"""Reports processes that end while `deploy/up` runs, and the loss of the broker."""

import time

from deploy.progress import Progress
from deploy.rabbitmq.broker import Broker
from deploy.stack import Stack

CHECK_INTERVAL_S = 0.5
CHECKS_PER_REQUEST = 4
"""Every fourth check also requests the state of the broker from the gateway."""


class Watch:
    """Checks the processes and the broker periodically."""

    def __init__(self, stack: Stack, broker: Broker, progress: Progress) -> None:
        self._stack = stack
        self._broker = broker
        self._progress = progress
        self._is_reachable = True

    def run(self) -> None:
        """Check until a signal arrives. Raises Failed if a broker of `deploy/up` has ended.

        The end of another process is reported but no failure: users may kill a worker to try it.
        """
        checks = 0
        while True:
            self.check(with_gateway=checks % CHECKS_PER_REQUEST == 0)
            checks += 1
            time.sleep(CHECK_INTERVAL_S)

    def check(self, *, with_gateway: bool) -> None:
        """Report changes since the last check; `with_gateway` includes its broker connection."""
        self._broker.check()
        for child in self._stack.ended():
            self._progress.say(child.name, f"ended with {child.exit_code}\n{child.last_lines(5)}")
        response = self._stack.readiness() if with_gateway else None
        if response is not None and response["broker"]["reachable"] != self._is_reachable:
            self._is_reachable = not self._is_reachable
            state = "reachable again" if self._is_reachable else "not reachable"
            reason = response["broker"]["reason"]
            self._progress.say("broker", state if reason is None else f"{state}: {reason}")
