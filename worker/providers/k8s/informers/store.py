"""The objects of one kind in one namespace, indexed by name, uid and label."""

from typing import Any, Generic, Protocol, TypeVar

import msgspec

from worker.providers.k8s.objects import Metadata
from worker.providers.k8s.selectors import Selector


class Item(Protocol):
    """A decoded object."""

    @property
    def metadata(self) -> Metadata:
        """The metadata of the object."""


Stored = TypeVar("Stored", bound=Item)

BYTES_PER_OBJECT = 600
BYTES_PER_BYTE = 4
"""A decoded pod takes 3.3 bytes of memory per byte of its JSON, and about 600 in the indexes."""


class Store(Generic[Stored]):
    """Objects by name; a query for labels visits only the objects that have one of the labels."""

    def __init__(self) -> None:
        self.bytes = 0
        """An estimate of the memory that the objects take."""
        self.derived: dict[str, Any] = {}
        """A value that a reader derived from an object, by name; dropped with the object."""
        self._by_name: dict[str, Stored] = {}
        self._by_uid: dict[str, Stored] = {}
        self._by_label: dict[tuple[str, str], set[str]] = {}
        self._sizes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Stored | None:
        """Return the object with this name, None if it is absent."""
        return self._by_name.get(name)

    def with_uid(self, uid: str) -> Stored | None:
        """Return the object with this uid, None if it is absent."""
        return self._by_uid.get(uid)

    def select(self, selector: Selector | None) -> list[Stored]:
        """Return the objects that a selector matches, or all, in the API server's order."""
        if selector is None:
            return [self._by_name[name] for name in sorted(self._by_name)]
        having = [self._by_label.get(pair, set()) for pair in selector.equalities()]
        names = sorted(min(having, key=len) if having else self._by_name)
        found = (self._by_name[name] for name in names)
        return [each for each in found if selector.matches(each.metadata.labels or {})]

    def put(self, item: Stored) -> None:
        """Add an object, or replace the one of the same name."""
        name, labels = item.metadata.name, item.metadata.labels or {}
        self.remove(name)
        size = BYTES_PER_OBJECT + BYTES_PER_BYTE * len(msgspec.json.encode(item))
        self._by_name[name] = self._by_uid[item.metadata.uid] = item
        self._sizes[name] = size
        self.bytes += size
        for pair in labels.items():
            self._by_label.setdefault(pair, set()).add(name)

    def remove(self, name: str) -> None:
        """Remove the object with this name, if any."""
        item = self._by_name.pop(name, None)
        if item is None:
            return
        self._by_uid.pop(item.metadata.uid, None)
        self.derived.pop(name, None)
        self.bytes -= self._sizes.pop(name)
        for pair in (item.metadata.labels or {}).items():
            names = self._by_label[pair]
            names.discard(name)
            if not names:
                del self._by_label[pair]
