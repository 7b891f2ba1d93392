"""The runs of messages in this process: joined by redeliveries, abandoned before a take-over."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from enum import Enum
from hashlib import sha256
from typing import Any

from contracts.wire import Message

ABANDON_AFTER_S = 1.0
REMEMBERED = 2_000


class Disposition(Enum):
    """The handling of a message after its run.

    ABANDON: the message is neither acknowledged nor rejected, and the partition is released, so
    that the broker delivers it to the next owner.
    """

    ACKNOWLEDGE = "acknowledge"
    REJECT = "reject"
    ABANDON = "abandon"


class Run:
    """One run of a message."""

    def __init__(self, message: Message, task: asyncio.Task[Disposition]) -> None:
        self.fingerprint = _fingerprint(message)
        self.task = task
        self.waiters = 0

    def disposition(self) -> Disposition:
        """Return the disposition of a run that has ended."""
        return Disposition.ABANDON if self.task.cancelled() else self.task.result()


class Runs:
    """The runs of this process, in a task group that outlives the channels of the messages.

    After its channel has closed, a run may go on for one second: it may end, or a redelivery of its
    message to this process may join it. The next owner waits for two seconds.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._known: OrderedDict[str, Run] = OrderedDict()
        self._live: set[Run] = set()
        self._uncancelled: set[asyncio.Task[None]] = set()

    def start(self, message: Message, work: Coroutine[Any, Any, Disposition]) -> Run:
        """Start a run; `joinable` finds it while it is among the last REMEMBERED runs."""
        run = Run(message, self._group.create_task(work))
        run.task.add_done_callback(lambda _: self._live.discard(run))
        self._live.add(run)
        if message.message_id:  # without an id, a repeat would look like a redelivery
            self._known[message.message_id] = run
            self._known.move_to_end(message.message_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return run

    def joinable(self, message: Message) -> Run | None:
        """Return the run of the same message in this process, unless it was abandoned."""
        run = self._known.get(message.message_id)
        if run is None or run.fingerprint != _fingerprint(message):
            return None
        if run.task.done() and run.disposition() is Disposition.ABANDON:
            return None
        return run

    def forget(self, message: Message) -> None:
        """Forget a settled message, so that a new message with the same id is run."""
        self._known.pop(message.message_id, None)

    async def outcome(self, run: Run) -> Disposition:
        """Wait for the end of a run, which is abandoned soon after its last waiter is cancelled."""
        run.waiters += 1
        try:
            await asyncio.wait([run.task])
            return run.disposition()
        finally:
            run.waiters -= 1
            if not run.task.done() and not run.waiters:
                loop = asyncio.get_running_loop()
                loop.call_later(ABANDON_AFTER_S, self._abandon_without_waiters, run)

    async def complete(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for work that goes on if the waiting run is cancelled."""
        task = self._group.create_task(work)
        self._uncancelled.add(task)
        task.add_done_callback(self._uncancelled.discard)
        await asyncio.shield(task)

    def stop_all(self) -> None:
        """Cancel all runs: the broker may redeliver their messages to another worker."""
        for run in self._live:
            run.task.cancel()

    def abandon(self) -> None:
        """Cancel all runs and the work of `complete`: the process ends."""
        self.stop_all()
        for task in self._uncancelled:
            task.cancel()

    async def idle(self) -> None:
        """Wait until there is no run."""
        while self._live:
            await asyncio.wait([run.task for run in self._live])

    def _abandon_without_waiters(self, run: Run) -> None:
        if not run.waiters:
            run.task.cancel()


def _fingerprint(message: Message) -> bytes:
    """Return a digest of a message, since the bodies would take too much memory."""
    return sha256(message.key.encode() + b"\0" + message.body).digest()
