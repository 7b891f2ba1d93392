"""The informers in use: started by repeated reads of a namespace, stopped when unused, bounded."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec import Struct

from worker.optional_methods import InformerState
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.informers.informer import WATCH_S, Informer
from worker.providers.k8s.informers.store import Item, Store
from worker.providers.k8s.informers.watching import Source
from worker.providers.k8s.kinds import ResourceType
from worker.ttl_cache import TtlCache

log = logging.getLogger(__name__)

Stored = TypeVar("Stored", bound=Item)

MIB = 1024 * 1024
READS_REMEMBERED = 10_000
SWEEP_S = 10.0
STARTS_AT_ONCE = 2


class Limits(Struct, frozen=True):
    """When informers are started and stopped, and what they may take."""

    repeat_s: float = 60.0
    """An informer starts with the second read of its collection within this time."""
    unused_s: float = 300.0
    """An informer that was not read for this long is stopped."""
    namespaces: int = 64
    bytes: int = 160 * MIB
    """An estimate of the memory of all stores: 20,000 pods with two containers take 130 MiB."""
    watch_s: int = WATCH_S


DEFAULT_LIMITS = Limits()


class _Entry:
    """An informer with its task and the time of its last use."""

    def __init__(self, informer: Informer[Any], task: asyncio.Task[None], used_at: float) -> None:
        self.informer = informer
        self.task = task
        self.used_at = used_at


class Informers:
    """The informers of one API server, by the path of their collections."""

    def __init__(
        self,
        client: Client,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._limits = limits
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._read_once: TtlCache[str, bool] = TtlCache(READS_REMEMBERED, limits.repeat_s, clock)

    def used(self, source: Source[Any]) -> Informer[Any] | None:
        """Return the informer of a collection that is read now; None if it is not running."""
        path = source.path
        entry = self._entries.get(path)
        if entry is not None:
            entry.used_at = self._clock()
            return entry.informer
        if self._read_once.get(path) is None:
            self._read_once.put(path, True)
        elif self._has_room(source.namespace):
            self._start(source)
        return None

    def trusted(self, source: Source[Stored]) -> Store[Stored] | None:
        """Return the store of a collection that is read now; None if it must be read live."""
        informer = self.used(source)
        return informer.store if informer is not None and informer.is_trusted else None

    def peek(self, resource: ResourceType, namespace: str, name: str) -> Any:
        """Return an object that an informer has, else None; this neither starts nor keeps one."""
        entry = self._entries.get(resource.path(namespace))
        if entry is None or not entry.informer.is_trusted:
            return None
        return entry.informer.store.get(name)

    def states(self) -> list[InformerState]:
        """Return the state of every running informer."""
        return [
            InformerState(
                resource=each.informer.source.resource.plural,
                objects=len(each.informer.store),
                bytes=each.informer.store.bytes,
                age_s=each.informer.age,
                is_trusted=each.informer.is_trusted,
                resyncs=each.informer.resyncs,
                problem=each.informer.problem,
            )
            for each in self._entries.values()
        ]

    async def sweep(self) -> None:
        """Stop unused informers, until cancelled."""
        while True:
            await asyncio.sleep(min(SWEEP_S, self._limits.unused_s))
            oldest = self._clock() - self._limits.unused_s
            for path, entry in list(self._entries.items()):
                if entry.used_at < oldest:
                    self._stop(path)

    async def aclose(self) -> None:
        """Stop all informers, and wait until they have ended."""
        for path in list(self._entries):
            self._stop(path)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, source: Source[Any]) -> None:
        informer = Informer(
            self._client, source, self._fits, self._starting, watch_s=self._limits.watch_s
        )
        task = asyncio.create_task(_run(informer), name=f"informer {source.path}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._entries[source.path] = _Entry(informer, task, self._clock())

    def _stop(self, path: str) -> None:
        self._entries.pop(path).task.cancel()
        self._read_once.forget(path)

    def _has_room(self, namespace: str) -> bool:
        """Make room for an informer, if a namespace was not read for a while; else return false."""
        used: dict[str, float] = {}
        for entry in self._entries.values():
            its = entry.informer.source.namespace
            used[its] = max(used.get(its, entry.used_at), entry.used_at)
        if namespace in used or len(used) < self._limits.namespaces:
            return self._fits()
        least = min(used, key=lambda each: used[each])
        if self._clock() - used[least] < self._limits.repeat_s:
            return False
        for path, entry in list(self._entries.items()):
            if entry.informer.source.namespace == least:
                self._stop(path)
        return self._fits()

    def _fits(self) -> bool:
        taken = sum(each.informer.store.bytes for each in self._entries.values())
        return taken <= self._limits.bytes


async def _run(informer: Informer[Any]) -> None:
    """Run an informer; an unexpected exception must not end the worker, which can read live."""
    try:
        await informer.run()
    except Exception as error:
        log.error("the informer of %s failed unexpectedly", informer.source.shown, exc_info=error)
        informer.fail(f"{type(error).__name__} in the informer; see the worker's log")


@asynccontextmanager
async def informers(client: Client, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[Informers]:
    """Open the informers of a client, none of which runs yet.

    Not with a task group: it would wrap the exceptions of its body, which may be a whole worker.
    """
    opened = Informers(client, limits)
    sweeper = asyncio.create_task(opened.sweep())
    try:
        yield opened
    finally:
        sweeper.cancel()
        await asyncio.gather(opened.aclose(), sweeper, return_exceptions=True)
