"""An informer: lists a collection once, and keeps its store current by watches.

A watch resumes at the last version after its regular end, or after a lost connection. The
collection is listed again (a resync) if that version expired (410), or if versions went back, as
after the restore of an etcd backup. Reads are answered from the store only while `is_trusted`.

A watch from a version of the future, as after such a restore, is silent and not an error.
Therefore the versions are compared after every lost connection, before the watch is resumed.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Generic, TypeVar

from contracts.faults import Code, Fault
from contracts.freshness import UNKNOWN
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.api.errors import Again, Failure, MissingRight, NoSuchApi
from worker.providers.k8s.informers.backoff import Backoff
from worker.providers.k8s.informers.store import Item, Store
from worker.providers.k8s.informers.watching import (
    ADDED,
    BOOKMARK,
    DELETED,
    Bookmark,
    Event,
    Expired,
    Source,
    current_version,
    decoded,
    events,
    pages,
    version_of,
    watch,
)

log = logging.getLogger(__name__)

Stored = TypeVar("Stored", bound=Item)

WATCH_S = 30
"""The length of one watch. Its regular end proves that the connection works."""

RECOVERY_S = 5
"""The length of the first watch after a lost connection."""

SILENCE_S = 40.0
"""An informer that has heard nothing for longer is not trusted."""

OVERDUE_S = 5.0
"""The time after which a watch that should have ended is cut."""

REFUSED_S = 60.0
"""The pause after a refusal, such as for a missing right."""

TOO_LARGE_S = 600.0
"""The pause before a collection that is too large is listed again."""


class TooLarge(Failure):
    """The stores of all informers take too much memory."""

    def __init__(self) -> None:
        super().__init__(Code.PLATFORM_FAILED, "the objects of all informers need too much memory")


class Informer(Generic[Stored]):
    """The store of one collection, and the task that keeps it current."""

    def __init__(
        self,
        client: Client,
        source: Source[Stored],
        fits: Callable[[], bool] = lambda: True,
        starting: asyncio.Semaphore | None = None,
        *,
        watch_s: int = WATCH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fits` returns false if the stores of all informers take too much memory.

        `starting` limits the informers that list or connect at once: after a restart of the API
        server, all of them would otherwise do so in one iteration of the event loop.
        """
        self.source = source
        self.store: Store[Stored] = Store()
        self.version = 0
        """The version that the store has reached: every change up to it is in the store."""
        self.changed = 0
        """The version of the last change: other informers of this collection reach it too."""
        self.resyncs = 0
        self._client = client
        self._fits = fits
        self._starting = starting or asyncio.Semaphore()
        self._watch_s = watch_s
        self._clock = clock
        self._is_synced = False
        self._is_caught_up = False
        self._heard_at = float("-inf")
        self._received_at = float("-inf")
        self._missed = 0
        self._advanced = asyncio.Event()
        self._failure: str | None = None

    @property
    def age(self) -> float:
        """The seconds for which the store may lack changes: the time since the last message."""
        return self._clock() - self._heard_at

    @property
    def is_trusted(self) -> bool:
        """True if reads may be answered from the store."""
        return self._is_synced and self.age <= SILENCE_S

    @property
    def problem(self) -> str | None:
        """The failure because of which the store is not trusted, None if there is none."""
        return None if self.is_trusted else self._failure

    async def reach(self, version: int, within_s: float) -> bool:
        """Wait until the store has reached a version, for at most some seconds.

        After a wait in vain, nothing waits for that version again: the store of a collection
        without changes reaches a later version only with the next bookmark.
        """
        if self.version >= version:
            return True
        if version <= self._missed or version == UNKNOWN:  # no store reaches it
            return False
        try:
            async with asyncio.timeout(within_s):
                while self.version < version:
                    await self._advanced.wait()
        except TimeoutError:
            self._missed = max(self._missed, version)
            return False
        return True

    async def run(self) -> None:
        """List and watch until cancelled, with a pause after each failure."""
        backoff = Backoff()
        while True:
            began = self._clock()
            try:
                await self._list_and_watch()
                # A server or proxy that ends watches at once must not be asked in a busy loop.
                if self._clock() - began >= 1:
                    continue
            except (MissingRight, NoSuchApi) as refusal:
                await self._refused(refusal, REFUSED_S)
                continue
            except TooLarge as refusal:
                await self._refused(refusal, TOO_LARGE_S)
                continue
            except Fault as fault:
                self._failed(fault)
            await asyncio.sleep(backoff.next(self._clock() - began))

    def fail(self, problem: str) -> None:
        """Make all further reads live."""
        self._drop()
        self._failure = problem

    async def _list_and_watch(self) -> None:
        async with AsyncExitStack() as stack:
            async with self._starting:
                await self._list_or_compare()
                seconds = self._watch_s if self._is_caught_up else min(RECOVERY_S, self._watch_s)
                request = watch(self.source, self.version, seconds)
                stream = self._client.stream(request, seconds + OVERDUE_S)
                response = await stack.enter_async_context(stream)
            self._received_at = self._clock()
            async for event in events(response):
                self._receive(event)
        self._check_promptness()
        self._is_caught_up = True
        self._heard_at = self._received_at

    async def _list_or_compare(self) -> None:
        """List if the version cannot be resumed; else, after a failure, compare the versions."""
        if not self._is_synced:
            await self._list()
        elif not self._is_caught_up:
            version = await current_version(self._client, self.source)
            self._check_order(version >= self.version, version)

    async def _list(self) -> None:
        """Replace the store by the present state of the collection."""
        began = self._clock()
        self.store = Store()
        self.changed = listed = 0
        async for items, version in pages(self._client, self.source):
            for item in items:
                self.store.put(item)
                self.changed = max(self.changed, version_of(item.metadata))
            self._check_size()
            listed = version
            await asyncio.sleep(0)
        self._failure = None
        self._is_synced = self._is_caught_up = True
        self._heard_at = began
        self._missed = 0
        self._advance(listed)

    def _receive(self, event: Event) -> None:
        self._check_promptness()
        if event.type == BOOKMARK:
            version = version_of(decoded(event.object, Bookmark).metadata)
            self._check_order(version >= self.version, version)
            self._is_caught_up = True
        else:
            item = decoded(event.object, self.source.shape)
            version = version_of(item.metadata)
            self._check_order(version > self.version, version)
            if event.type == DELETED:
                self.store.remove(item.metadata.name)
            else:
                self.store.put(item)
                if event.type == ADDED:
                    self._check_size()
            self.changed = version
        # After a lost connection, events may be older than the loss; a bookmark is not.
        if self._is_caught_up:
            self._heard_at = self._received_at
        self._advance(version)

    def _check_promptness(self) -> None:
        """Record that something was received; fail if it may have waited in this process."""
        now = self._clock()
        if now - self._received_at > SILENCE_S:
            raise Failure(Code.PLATFORM_FAILED, "this process was frozen during the watch")
        self._received_at = now

    def _advance(self, version: int) -> None:
        self.version = version
        self._advanced.set()
        self._advanced = asyncio.Event()

    def _check_order(self, is_later: bool, version: int) -> None:
        if not is_later:
            raise Expired(f"the resource version went back from {self.version} to {version}")

    def _check_size(self) -> None:
        if not self._fits():
            raise TooLarge

    def _failed(self, fault: Fault) -> None:
        """Record a failure; the next attempt is a list if the last version cannot be resumed."""
        log.info("the informer of %s: %s", self.source.shown, fault.message)
        self._is_caught_up = False
        again = fault.again if isinstance(fault, Failure) else Again.NEVER
        if again is Again.EXPIRED:
            self._drop()
            self.resyncs += 1
        if again is Again.UNAUTHORIZED:
            self._client.renew_credentials()
        self._failure = fault.message

    async def _refused(self, refusal: Failure, pause_s: float) -> None:
        if self._failure != refusal.message:
            log.warning("%s are read live: %s", self.source.shown, refusal.message)
        self.fail(refusal.message)
        await asyncio.sleep(pause_s)

    def _drop(self) -> None:
        self._is_synced = False
        self.store = Store()
        self.version = self.changed = 0
