"""Tells what ends while `deploy/up` runs: processes, and the broker that they all need."""

import time

from deploy.progress import Progress
from deploy.rabbitmq.broker import Broker
from deploy.stack import Stack

LOOK_EVERY_S = 0.5
ASK_EVERY = 4
"""The gateway is asked for the broker at every fourth look."""


class Watch:
    """Looks at the processes that were started, and at the broker."""

    def __init__(self, stack: Stack, broker: Broker, progress: Progress) -> None:
        self._stack = stack
        self._broker = broker
        self._progress = progress
        self._is_reachable = True

    def run(self) -> None:
        """Look until a signal ends us; Failed where a broker that we started has ended.

        Killing a worker is worth a try, so the end of a process is told, and no failure.
        """
        looks = 0
        while True:
            self.look(ask=looks % ASK_EVERY == 0)
            looks += 1
            time.sleep(LOOK_EVERY_S)

    def look(self, *, ask: bool) -> None:
        """Tell what changed since the last look; `ask` the gateway too whether it has a broker."""
        self._broker.check()
        for child in self._stack.ended():
            self._progress.say(child.name, f"ended with {child.exit_code}\n{child.last_lines(5)}")
        said = self._stack.said_ready() if ask else None
        if said is not None and said["broker"]["reachable"] != self._is_reachable:
            self._is_reachable = not self._is_reachable
            state = "reachable again" if self._is_reachable else "not reachable"
            reason = said["broker"]["reason"]
            self._progress.say("broker", state if reason is None else f"{state}: {reason}")
