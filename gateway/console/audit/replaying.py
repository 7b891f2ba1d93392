"""Replays a plan: in order in each scope, several scopes at once; interrupted, it goes on.

A command may need one on another address, as a route needs its workload. The order in which
commands of a scope were started is safe: the workload was started before the route was requested.
"""

import asyncio
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import aclosing

import msgspec

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import offset
from contracts.outcomes import Outcome
from contracts.process.environment import Secret
from gateway.audit.entries import entry
from gateway.audit.filters import Filters
from gateway.audit.stream import Range, read_range
from gateway.console.audit.sending import FAILED, Replayed, Sender
from gateway.console.broker import run
from gateway.console.checkpoint import Checkpoint

CONCURRENCY = 8
"""The number of scopes in which a command runs at once."""

LOOK_AHEAD = 250
"""Commands read that are not replayed yet. A body has at most 1 MiB."""


class Progress(msgspec.Struct, kw_only=True):
    """A replay that may be interrupted, in its checkpoint.

    All commands before the position `next`, and those at `ended`, are dealt with. On the addresses
    in `stopped` only the commands before their position are.
    """

    provider: str
    target: str
    filters: Filters
    start: int
    end: int
    total: int
    next: int = 0
    ended: list[int] = []
    stopped: dict[str, int] = {}
    results: dict[str, int] = {}

    def has(self, address: str, position: int) -> bool:
        """Tell whether a command is dealt with."""
        if (stopped := self.stopped.get(address)) is not None:
            return position < stopped
        return position < self.next or position in self.ended

    @property
    def first(self) -> int:
        """The position from which commands are left."""
        return min([max(self.next, self.start), *self.stopped.values()])


class Replay:
    """One run of a replay, over any number of connections to the audit."""

    def __init__(
        self,
        sender: Sender,
        offsets: Sequence[int],
        saved: Progress,
        checkpoint: Checkpoint[Progress],
        *,
        skip_failed: bool,
        ended: Callable[[Replayed], None],
    ) -> None:
        """`offsets` are the positions of the requests; `ended` receives each replayed command.

        After a failure the later commands of the address are left, unless `skip_failed` is set.
        """
        self._sender = sender
        self._offsets = offsets
        self._saved = saved
        self._before = msgspec.structs.replace(saved, stopped=dict(saved.stopped))
        self._checkpoint = checkpoint
        self._skip_failed = skip_failed
        self._report = ended
        self._results = Counter(saved.results)
        self._dealt = set(saved.ended)
        self._first = next((n for n, at in enumerate(offsets) if at >= saved.next), len(offsets))
        self._position = saved.first
        self._failed: set[str] = set()
        self._lanes: dict[str, deque[tuple[int, Outcome]]] = {}
        self._room = asyncio.Semaphore(LOOK_AHEAD)
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, urls: Secret) -> None:
        """Replay everything that is not dealt with; raises Failure as `broker.run`."""
        reading = asyncio.create_task(run(urls, "machinist audit replay", self._read))
        try:
            while not reading.done() or self._running:
                tasks = {*self._running, *([] if reading.done() else [reading])}
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._running -= done
                for task in done:
                    task.result()
            await reading
        finally:
            for task in (reading, *self._running):
                task.cancel()
            await asyncio.gather(reading, *self._running, return_exceptions=True)
        stopped = self._saved.stopped
        self._saved.stopped = {each: stopped[each] for each in stopped if each in self._failed}
        self._checkpoint.save(self._saved)

    async def _read(self, connection: Connection) -> None:
        within = Range(self._position, self._saved.end)
        addresses = self._saved.filters.addresses()
        async with aclosing(read_range(connection, within, addresses)) as batches:
            async for batch in batches:
                for message in batch:
                    at = offset(message)
                    record = entry(message) if self._is_left(at) else None
                    if record is not None and not self._before.has(record.outcome.address, at):
                        await self._room.acquire()
                        self._add(at, record.outcome)
                    self._position = max(self._position, at + 1)

    def _is_left(self, at: int) -> bool:
        number = bisect_left(self._offsets, at)
        is_planned = number < len(self._offsets) and self._offsets[number] == at
        return is_planned and at >= self._position

    def _add(self, at: int, outcome: Outcome) -> None:
        scope = outcome.address.split(".")[1]
        lane = self._lanes.get(scope)
        if lane is None:
            lane = self._lanes[scope] = deque()
            self._running.add(asyncio.create_task(self._run(scope, lane)))
        lane.append((at, outcome))

    async def _run(self, scope: str, lane: deque[tuple[int, Outcome]]) -> None:
        async with self._slots:
            while lane:
                at, outcome = lane.popleft()
                if outcome.address not in self._failed:
                    await self._replay(at, outcome)
                self._save(at)
                self._room.release()
            del self._lanes[scope]

    async def _replay(self, at: int, outcome: Outcome) -> None:
        address = outcome.address
        replayed = await self._sender.send(outcome)
        if replayed.result == FAILED and not self._skip_failed:
            self._failed.add(address)
            self._saved.stopped[address] = at
        else:
            self._results[replayed.result] += 1
            if address in self._saved.stopped:
                self._saved.stopped[address] = at + 1
        self._saved.results = dict(self._results)
        self._report(replayed)

    def _save(self, at: int) -> None:
        """Save that a command is dealt with."""
        offsets = self._offsets
        if at >= self._saved.next:
            self._dealt.add(at)
        while self._first < len(offsets) and offsets[self._first] in self._dealt:
            self._dealt.discard(offsets[self._first])
            self._first += 1
        is_over = self._first == len(offsets)
        self._saved.next = self._saved.end if is_over else offsets[self._first]
        self._saved.ended = sorted(self._dealt)
        self._checkpoint.save(self._saved)
