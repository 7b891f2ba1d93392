"""Who owns the pods: chains of owner references, with as few requests as the namespace allows."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from weakref import WeakValueDictionary

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.memory import Memory
from worker.providers.k8s import kinds
from worker.providers.k8s.client import Conversation
from worker.providers.k8s.kinds import Kind
from worker.providers.k8s.objects import (
    ListOf,
    Metadata,
    Owned,
    OwnerReference,
    Replication,
    Workload,
)
from worker.together import together

log = logging.getLogger(__name__)

REMEMBERED = 10_000
LIFETIME_S = 600
"""An orphaned ReplicaSet can be adopted by another Deployment: no finding is believed for ever."""

Above = tuple[OwnerReference, ...]
"""The owner of an object, or nothing when it has none."""

AnyWorkload = Workload | Replication
Lists = dict[Kind, list[AnyWorkload] | None]
"""All controllers of some kinds, None for a kind that could not be listed."""


class Chain(Struct, frozen=True):
    """The owners of a pod from the nearest up; not `complete` where one could not be read."""

    owners: Above
    complete: bool

    @property
    def top(self) -> OwnerReference | None:
        """The last owner that is known."""
        return self.owners[-1] if self.owners else None

    def may_contain(self, uid: str) -> bool:
        """Whether an object is among the owners, as far as they are known."""
        return not self.complete or any(owner.uid == uid for owner in self.owners)


class Owners:
    """Remembers who owns what by uid: the owner of an object is set when it is made."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._above: Memory[str, Above] = Memory(remembered, LIFETIME_S)
        self._reading: WeakValueDictionary[tuple[str, Kind], asyncio.Lock] = WeakValueDictionary()

    def learn(self, metadata: Metadata) -> None:
        """Remember the owner of an object that was read for another reason."""
        self._above.put(metadata.uid, above(metadata))

    def recall(self, uid: str) -> Above | None:
        """What is above an object, None where that is not remembered."""
        return self._above.get(uid)

    async def chains(
        self,
        talk: Conversation,
        namespace: str,
        pods: Sequence[Metadata],
        whole: Lists | None = None,
    ) -> list[Chain]:
        """The chain of each pod; an owner that cannot be read leaves it incomplete, no more.

        Kinds that had to be read are left in `whole` where that is given.
        """
        starts = [above(pod) for pod in pods]
        level = [owner for start in starts for owner in start]
        known = await self._climb(talk, namespace, level, whole)
        return [_chain(start, known) for start in starts]

    async def _climb(
        self,
        talk: Conversation,
        namespace: str,
        level: Iterable[OwnerReference],
        whole: Lists | None,
    ) -> dict[str, Above]:
        """What is above these and all above them, level by level, each kind read at most once."""
        known: dict[str, Above] = {}
        read: set[Kind] = set()
        here = {owner.uid: owner for owner in level}
        while here:
            missing = self._recall(here.values(), known)
            news = await together(
                *(
                    self._read(talk, namespace, kind, owners, whole)
                    for kind, owners in missing.items()
                    if kind not in read
                )
            )
            read |= missing.keys()
            for found in news:
                known |= found
            parents = (owner for uid in here for owner in known.get(uid, ()))
            here = {owner.uid: owner for owner in parents if owner.uid not in known}
        return known

    def _recall(
        self, owners: Iterable[OwnerReference], known: dict[str, Above]
    ) -> dict[Kind, list[OwnerReference]]:
        """Enter what is remembered into `known`, and return what has to be read, by kind."""
        missing: dict[Kind, list[OwnerReference]] = defaultdict(list)
        for owner in owners:
            kind = kinds.of_owner(owner)
            if kind is None:
                known[owner.uid] = ()
            elif (remembered := self._above.get(owner.uid)) is not None:
                known[owner.uid] = remembered
            else:
                missing[kind].append(owner)
        return missing

    async def _read(
        self,
        talk: Conversation,
        namespace: str,
        kind: Kind,
        owners: list[OwnerReference],
        whole: Lists | None,
    ) -> dict[str, Above]:
        """What is above the owners of one kind; of calls that ask at once only one does so."""
        async with self._reading.setdefault((namespace, kind), asyncio.Lock()):
            news: dict[str, Above] = {}
            missing = [owner for owner in owners if not self._recalled(owner.uid, news)]
            if missing:
                news |= await self._ask(talk, namespace, kind, missing, whole)
            return news

    def _recalled(self, uid: str, news: dict[str, Above]) -> bool:
        remembered = self._above.get(uid)
        if remembered is not None:
            news[uid] = remembered
        return remembered is not None

    async def _ask(
        self,
        talk: Conversation,
        namespace: str,
        kind: Kind,
        owners: list[OwnerReference],
        whole: Lists | None,
    ) -> dict[str, Above]:
        """One owner is read by its name, more by a list."""
        found: Sequence[Owned | AnyWorkload]
        try:
            if whole is not None:
                whole[kind] = None
                found = whole[kind] = await list_all(talk, namespace, kind)
            elif len(owners) == 1:
                found = [await talk.get(kind.path(namespace, owners[0].name), Owned)]
            else:
                found = [*await talk.list(kind.path(namespace), ListOf[Owned])]
        except Fault as fault:
            if fault.code is Code.DEADLINE_EXCEEDED:
                raise
            log.warning("owners of kind %s in %s: %s", kind.name, namespace, fault.message)
            return {}
        wanted = {owner.uid for owner in owners}
        # An object of the same name but another uid is a later one: it owns none of these.
        news = {each.metadata.uid: above(each.metadata) for each in found}
        news = {uid: owner for uid, owner in news.items() if uid in wanted}
        for uid, owner in news.items():
            self._above.put(uid, owner)
        return news


async def list_all(talk: Conversation, namespace: str, kind: Kind) -> list[AnyWorkload]:
    """All controllers of one kind."""
    path = kind.path(namespace)
    if kind.shape is Replication:
        return [*await talk.list(path, ListOf[Replication])]
    return [*await talk.list(path, ListOf[Workload])]


def above(metadata: Metadata) -> Above:
    """The owner that controls an object; others only keep it from being collected."""
    return tuple(owner for owner in metadata.owner_references or () if owner.controller)[:1]


def _chain(start: Above, known: dict[str, Above]) -> Chain:
    owners: list[OwnerReference] = []
    seen: set[str] = set()
    rest = start
    while rest and rest[0].uid not in seen:
        owner = rest[0]
        owners.append(owner)
        seen.add(owner.uid)
        if owner.uid not in known:
            return Chain(tuple(owners), complete=False)
        rest = known[owner.uid]
    return Chain(tuple(owners), complete=True)
