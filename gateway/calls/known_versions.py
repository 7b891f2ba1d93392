"""The resource versions that a gateway knows, which later queries must include.

Workers announce the versions that commands produce to all gateways, and await the confirm before
they send the reply. A gateway's queue therefore holds the announcement before any client knows the
reply, and the gateway receives it before the reply to a query that this client sends afterwards. So
the versions are compared twice: the query carries those that are known when it is published, and
if its reply is older than those known when the reply arrives, the query is published once more.

Versions in replies to queries are remembered too, so that a client of one gateway never sees a
resource go back in time when another worker answers. This gateway does not know of the versions
that were announced before its queue existed: for a while after a connection, queries require
answers that are younger than the connection.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from contracts.freshness import (
    EVERY_OTHER,
    UNKNOWN,
    Freshness,
    Versions,
    place,
    versions_in,
    versions_of,
)
from contracts.wire import HEADER_SCOPE, Message, Reply

KNOWN_S = 60.0
"""Longer than the 40 s after which a silent informer is not used, and a query's deadline."""

MARGIN_S = 5.0
"""The assumed delay of a watch, by which an answer must be younger than a connection."""

LIMIT = 100_000
"""The maximal number of versions; the one that changed first is dropped."""

Key = tuple[str, str, bool]
"""A place, a resource type, and whether the version is UNKNOWN, which must not hide another."""


class KnownVersions:
    """The newest versions by provider, scope and resource type, each for KNOWN_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connected_at = clock()
        self._changed_at: OrderedDict[Key, float] = OrderedDict()
        self._versions: dict[str, dict[Key, int]] = {}

    def connected(self) -> None:
        """Record that announcements arrive from now on, and that earlier ones may be lost."""
        self._connected_at = self._clock()

    def hear(self, message: Message) -> None:
        """Record an announcement."""
        where, versions = message.headers.get(HEADER_SCOPE), versions_of(message)
        if isinstance(where, str) and versions:
            for resource_type, version in versions.items():
                self._learn((where, resource_type, version == UNKNOWN), version)

    def learn(self, key: str, reply: Reply) -> None:
        """Record the versions in the reply to a query with this routing key."""
        where = place(key)
        for resource_type, version in (versions_in(reply.versions) or {}).items():
            if 0 < version < UNKNOWN:
                self._learn((where, resource_type, False), version)

    def required(self, key: str, max_age_s: float | None) -> Freshness:
        """Return what the answer to a query with this routing key must include.

        `max_age_s` is the limit that the client sets.
        """
        limits = [each for each in (max_age_s, self._since_connection()) if each is not None]
        return Freshness(self._of(place(key)), min(limits, default=None))

    def is_older(self, reply: Reply, query: Message, published_at: float) -> bool:
        """Tell whether the reply to a query must be discarded, and the query published again.

        `published_at` is a time of the clock before the query was published. An answer from the
        platform itself shows everything that happened before the query.
        """
        shown = versions_in(reply.versions)
        if shown is None or reply.age_ms is None:
            return False
        if self._connected_at > published_at:
            return True
        asked = versions_of(query) or {}
        others = shown.get(EVERY_OTHER)
        return any(
            version
            > max(
                asked.get(resource_type, 0),
                shown.get(resource_type, version if others is None else others),
            )
            for resource_type, version in self._of(place(query.key)).items()
        )

    def _since_connection(self) -> float | None:
        elapsed = self._clock() - self._connected_at
        return None if elapsed > KNOWN_S + MARGIN_S else max(0.0, elapsed - MARGIN_S)

    def _of(self, where: str) -> Versions:
        self._forget()
        found: Versions = {}
        for (_, resource_type, _), version in self._versions.get(where, {}).items():
            found[resource_type] = max(version, found.get(resource_type, 0))
        return found

    def _learn(self, key: Key, version: int) -> None:
        versions = self._versions.setdefault(key[0], {})
        if version != UNKNOWN and version <= versions.get(key, 0):
            return
        versions[key] = version
        self._changed_at[key] = self._clock()
        self._changed_at.move_to_end(key)
        self._forget()

    def _forget(self) -> None:
        oldest = self._clock() - KNOWN_S
        while self._changed_at:
            key, changed_at = next(iter(self._changed_at.items()))
            if changed_at >= oldest and len(self._changed_at) <= LIMIT:
                return
            del self._changed_at[key]
            versions = self._versions[key[0]]
            del versions[key]
            if not versions:
                del self._versions[key[0]]
