"""The runs of messages in this process: started once, joined by a redelivery, given up in time."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from enum import Enum
from hashlib import sha256
from typing import Any

from contracts.wire import Message

GIVE_UP_AFTER_S = 1.0
REMEMBERED = 2_000


class Verdict(Enum):
    """What is to become of a message after its run."""

    DONE = "done"
    DEAD = "dead"
    GIVEN_UP = "given up"


class Run:
    """One run of a message."""

    def __init__(self, message: Message, task: asyncio.Task[Verdict]) -> None:
        self.of = _fingerprint(message)
        self.task = task
        self.holders = 0

    def verdict(self) -> Verdict:
        """How it ended."""
        return Verdict.GIVEN_UP if self.task.cancelled() else self.task.result()


class Runs:
    """Runs live in a task group of the process, longer than the channel that a message came over.

    When its channel closes a run has a second left: to end, or to be joined by the redelivery of
    its message to this same process. The next owner waits for two.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._known: OrderedDict[str, Run] = OrderedDict()
        self._live: set[Run] = set()
        self._lasting: set[asyncio.Task[None]] = set()

    def start(self, message: Message, work: Coroutine[Any, Any, Verdict]) -> Run:
        """Begin a run; `joinable` finds it again for a while after its end."""
        run = Run(message, self._group.create_task(work))
        run.task.add_done_callback(lambda _: self._live.discard(run))
        self._live.add(run)
        if message.message_id:  # without one a repeat cannot be told from a redelivery
            self._known[message.message_id] = run
            self._known.move_to_end(message.message_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return run

    def joinable(self, message: Message) -> Run | None:
        """The run of this very message in this process, unless it was given up."""
        run = self._known.get(message.message_id)
        if run is None or run.of != _fingerprint(message):
            return None
        if run.task.done() and run.verdict() is Verdict.GIVEN_UP:
            return None
        return run

    def forget(self, message: Message) -> None:
        """It is settled and cannot come again; another one with its id is another command."""
        self._known.pop(message.message_id, None)

    async def outcome(self, run: Run) -> Verdict:
        """Wait for the end of a run; whoever waits last and leaves lets it be given up."""
        run.holders += 1
        try:
            await asyncio.wait([run.task])
            return run.verdict()
        finally:
            run.holders -= 1
            if not run.task.done() and not run.holders:
                loop = asyncio.get_running_loop()
                loop.call_later(GIVE_UP_AFTER_S, self._give_up, run)

    async def last(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for work that goes on to its end though the run that waits for it is given up."""
        task = self._group.create_task(work)
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)
        await asyncio.shield(task)

    def stop_all(self) -> None:
        """Cancel every run: the broker may hand them over."""
        for run in self._live:
            run.task.cancel()

    def abandon(self) -> None:
        """Cancel every run and what outlasts it: the process ends."""
        self.stop_all()
        for task in self._lasting:
            task.cancel()

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._live:
            await asyncio.wait([run.task for run in self._live])

    def _give_up(self, run: Run) -> None:
        if not run.holders:
            run.task.cancel()


def _fingerprint(message: Message) -> bytes:
    """What a run was of; bodies themselves would fill the memory."""
    return sha256(message.key.encode() + b"\0" + message.body).digest()
