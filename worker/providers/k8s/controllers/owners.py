"""Find the controller of a pod by owner references.

Owner references change: deleting a Deployment with `--cascade=orphan` releases its ReplicaSets,
and the next Deployment with a matching selector adopts them. They are therefore read from an
informer, which sees every change, or from the API server, and are not cached otherwise.
"""

import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.k8s import kinds
from worker.providers.k8s.informers.reads import Reads
from worker.providers.k8s.kinds import DEPLOYMENTS, REPLICA_SETS, Kind
from worker.providers.k8s.objects import Metadata, OwnerReference

log = logging.getLogger(__name__)

MAX_READS_BY_NAME = 3
"""The number of ReplicaSets to read one by one (a roll-out has two); more are listed at once."""

Managers = dict[str, OwnerReference | None]
"""The managing Deployment of each ReplicaSet that was read, by the ReplicaSet's uid."""


class Chain(Struct, frozen=True):
    """The owners of a pod up to its controller; `complete` unless an owner could not be read."""

    owners: tuple[OwnerReference, ...]
    complete: bool

    @property
    def top(self) -> OwnerReference | None:
        """The last known owner of the pod: its controller, or an owner of another kind."""
        return self.owners[-1] if self.owners else None

    def may_contain(self, uid: str) -> bool:
        """Return whether an object is an owner; true if the chain is incomplete."""
        return not self.complete or any(owner.uid == uid for owner in self.owners)


UNOWNED = Chain((), complete=True)


def owner_of(metadata: Metadata) -> OwnerReference | None:
    """Return the controlling owner; other owners only delay garbage collection."""
    for owner in metadata.owner_references or ():
        if owner.controller:
            return owner
    return None


def manager_of(kind: Kind, metadata: Metadata) -> OwnerReference | None:
    """Return the Deployment that manages a ReplicaSet; None for every other controller.

    A controller that a custom resource owns counts as unmanaged.
    """
    owner = owner_of(metadata) if kind is REPLICA_SETS else None
    return owner if owner is not None and kinds.of_owner(owner) is DEPLOYMENTS else None


def chains_of(owners: Sequence[OwnerReference | None], managers: Managers) -> list[Chain]:
    """Return the chain of each pod with these owners, given the ReplicaSets that were read.

    Pods with the same owner have the same chain.
    """
    by_uid = {each.uid: _chain(each, managers) for each in _distinct(owners)}
    return [UNOWNED if each is None else by_uid[each.uid] for each in owners]


def _distinct(owners: Iterable[OwnerReference | None]) -> Iterable[OwnerReference]:
    return {each.uid: each for each in owners if each is not None}.values()


def _chain(owner: OwnerReference, managers: Managers) -> Chain:
    if kinds.of_owner(owner) is not REPLICA_SETS:
        return Chain((owner,), complete=True)
    manager = managers.get(owner.uid)
    return Chain((owner, manager) if manager else (owner,), complete=owner.uid in managers)


async def chains(reads: Reads, namespace: str, pods: Sequence[Metadata]) -> list[Chain]:
    """Return the owner chain of each pod; an unreadable owner only makes a chain incomplete."""
    owners = [owner_of(pod) for pod in pods]
    wanted = {
        owner.uid: owner for owner in _distinct(owners) if kinds.of_owner(owner) is REPLICA_SETS
    }
    managers: Managers = {}
    if wanted and (store := await reads.store(REPLICA_SETS, namespace)) is not None:
        local = (store.with_uid(uid) for uid in wanted)
        managers = _managers(each.metadata for each in local if each is not None)
    absent = {owner.name for uid, owner in wanted.items() if uid not in managers}
    # An object with the same name but another uid was created later and owns none of these pods.
    live = await _replica_sets(reads, namespace, absent)
    managers |= _managers(each for each in live if each.uid in wanted)
    return chains_of(owners, managers)


def _managers(replica_sets: Iterable[Metadata]) -> Managers:
    return {each.uid: manager_of(REPLICA_SETS, each) for each in replica_sets}


async def _replica_sets(reads: Reads, namespace: str, names: set[str]) -> list[Metadata]:
    """Read ReplicaSets from the API server."""
    if len(names) > MAX_READS_BY_NAME:
        return await _read(namespace, reads.list_live(REPLICA_SETS, namespace))
    one_by_one = (reads.get_live(REPLICA_SETS, namespace, name) for name in names)
    found = await gather_all(*(_read(namespace, each) for each in one_by_one))
    return [metadata for each in found for metadata in each]


async def _read(namespace: str, reading: Awaitable[Any]) -> list[Metadata]:
    try:
        found = await reading
    except Fault as fault:
        if fault.code is Code.DEADLINE_EXCEEDED:
            raise
        log.warning("owners of kind ReplicaSet in %s: %s", namespace, fault.message)
        return []
    return [each.metadata for each in (found if isinstance(found, list) else [found])]
