"""Objects, the resourceVersion counter and the history behind watches and consistent pages.

A write replaces an object; objects never change in place. They are stored without `kind` and
`apiVersion`, so that one encoding serves lists and single reads.
"""

import bisect
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from deploy.sandbox.kubernetes.kinds import Kind, Object

# Every entry of the history holds two versions of an object.
HISTORY = 10_000


@dataclass(slots=True)
class Stored:
    """A version of an object; it is encoded once, at the first read."""

    object: Object
    version: int
    _encoded: bytes = b""

    @property
    def encoded(self) -> bytes:
        if not self._encoded:
            self._encoded = msgspec.json.encode(self.object)
        return self._encoded

    @property
    def metadata(self) -> Object:
        metadata: Object = self.object["metadata"]
        return metadata

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.get("namespace", ""), self.metadata["name"]


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a write; `before` is None for a creation, `after` for a removal."""

    version: int
    kind: Kind
    key: str
    before: Stored | None
    after: Stored | None


@dataclass
class _Table:
    rows: dict[str, Stored] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


class Expired(Exception):
    """The history no longer contains the requested version."""


class Store:
    def __init__(self) -> None:
        # Held during every request and every change from Python; reentrant, because adding an
        # object runs the controllers, which write again.
        self.lock = threading.RLock()
        self.version = 0
        self.oldest = 0
        self._tables: dict[Kind, _Table] = {}
        self._latest: dict[Kind, int] = {}
        self._history: deque[Change] = deque()
        self._children: dict[str, set[tuple[Kind, str]]] = {}
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        return self._table(kind).rows.get(kind.key(namespace, name))

    def items(self, kind: Kind, namespace: str = "") -> list[Stored]:
        """Return the objects of a kind in the order of their keys, of one namespace or of all."""
        table = self._table(kind)
        return [table.rows[key] for key in self._range(table.keys, kind, namespace)]

    def items_at(self, kind: Kind, namespace: str, version: int) -> list[Stored]:
        """Return the objects at an earlier version, by undoing the later changes."""
        if version < self.oldest:
            raise Expired
        # Between two pages there are few changes and many objects: undoing is cheaper than copies.
        rows = dict(self._table(kind).rows)
        for change in reversed(self._history):
            # The history is sorted by version.
            if change.version <= version:
                break
            if change.kind is not kind:
                continue
            if change.before is None:
                rows.pop(change.key, None)
            else:
                rows[change.key] = change.before
        return [rows[key] for key in self._range(sorted(rows), kind, namespace)]

    def changes_since(self, version: int) -> Iterator[Change]:
        if version < self.oldest:
            raise Expired
        recent: list[Change] = []
        for change in reversed(self._history):
            if change.version <= version:
                break
            recent.append(change)
        return reversed(recent)

    def put(self, kind: Kind, obj: Object) -> Stored:
        """Write an object with complete metadata under a new resourceVersion."""
        metadata = obj["metadata"]
        key = kind.key(metadata.get("namespace", ""), metadata["name"])
        table = self._table(kind)
        before = table.rows.get(key)
        self.version += 1
        stamped = {**metadata, "resourceVersion": str(self.version)}
        after = Stored(
            {"metadata": stamped, **{k: v for k, v in obj.items() if k != "metadata"}}, self.version
        )
        if before is None:
            bisect.insort(table.keys, key)
        table.rows[key] = after
        self._record(Change(self.version, kind, key, before, after))
        return after

    def remove(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        key = kind.key(namespace, name)
        table = self._table(kind)
        before = table.rows.pop(key, None)
        if before is not None:
            del table.keys[bisect.bisect_left(table.keys, key)]
            self.version += 1
            self._record(Change(self.version, kind, key, before, None))
        return before

    def kinds(self) -> list[Kind]:
        """Return the kinds that have or had objects."""
        return list(self._tables)

    def latest(self, kind: Kind) -> int:
        """Return the version of the last change of a kind."""
        return self._latest.get(kind, 0)

    def children(self, uid: str) -> list[tuple[Kind, Stored]]:
        """Return the objects with this uid among their owners, in the order of their keys."""
        found = self._children.get(uid, set())
        # Sorted, so that the controllers do not depend on the order of hashes.
        ordered = sorted(found, key=lambda child: (child[0].plural, child[1]))
        return [(kind, self._table(kind).rows[key]) for kind, key in ordered]

    def compact(self) -> None:
        """Clear the history; older versions, pages and watches expire."""
        self._history.clear()
        self.oldest = self.version

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after every change, in the writer's thread; return how to stop that."""
        with self.lock:
            # Copied, because a change may be iterating over the list.
            self._listeners = [*self._listeners, listener]

        def stop() -> None:
            with self.lock:
                self._listeners = [each for each in self._listeners if each is not listener]

        return stop

    def clear(self) -> None:
        self._tables.clear()
        self._children.clear()
        self.version += 1
        self.compact()

    def _table(self, kind: Kind) -> _Table:
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = _Table()
        return table

    @staticmethod
    def _range(keys: list[str], kind: Kind, namespace: str) -> list[str]:
        if not (namespace and kind.namespaced):
            return keys
        start = bisect.bisect_left(keys, f"{namespace}/")
        # "0" follows "/" in ASCII, so this is the first key of the next namespace.
        return keys[start : bisect.bisect_left(keys, f"{namespace}0")]

    def _record(self, change: Change) -> None:
        self._index(change)
        self._latest[change.kind] = change.version
        self._history.append(change)
        if len(self._history) > HISTORY:
            self.oldest = self._history.popleft().version
        for listener in self._listeners:
            listener(change)

    def _index(self, change: Change) -> None:
        owners = [_owners(change.before), _owners(change.after)]
        # Nearly all writes keep the owners.
        if owners[0] == owners[1]:
            return
        child = (change.kind, change.key)
        for uid in owners[0]:
            self._children[uid].discard(child)
        for uid in owners[1]:
            self._children.setdefault(uid, set()).add(child)


def _owners(stored: Stored | None) -> list[str]:
    if stored is None:
        return []
    return [owner.get("uid", "") for owner in stored.metadata.get("ownerReferences") or ()]
