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


def owner_of(metadata: Metadata) -> OwnerReference | None:
    """Return the controlling owner; other owners only delay garbage collection."""
    owners = metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller), None)


def manager_of(kind: Kind, metadata: Metadata) -> OwnerReference | None:
    """Return the Deployment that manages a ReplicaSet; None for every other controller.

    A controller that a custom resource owns counts as unmanaged.
    """
    owner = owner_of(metadata) if kind is REPLICA_SETS else None
    return owner if owner is not None and kinds.of_owner(owner) is DEPLOYMENTS else None


def chain(pod: Metadata, managers: Managers) -> Chain:
    """Return the owner chain of a pod, given the ReplicaSets that were read."""
    owner = owner_of(pod)
    if owner is None:
        return Chain((), complete=True)
    if kinds.of_owner(owner) is not REPLICA_SETS:
        return Chain((owner,), complete=True)
    manager = managers.get(owner.uid)
    return Chain((owner, manager) if manager else (owner,), complete=owner.uid in managers)


async def chains(reads: Reads, namespace: str, pods: Sequence[Metadata]) -> list[Chain]:
    """Return the owner chain of each pod; an unreadable owner only makes a chain incomplete."""
    owners = (owner_of(pod) for pod in pods)
    wanted = {
        owner.uid: owner for owner in owners if owner and kinds.of_owner(owner) is REPLICA_SETS
    }
    managers: Managers = {}
    if wanted and (store := await reads.store(REPLICA_SETS, namespace)) is not None:
        local = (store.with_uid(uid) for uid in wanted)
        managers = _managers(each.metadata for each in local if each is not None)
    absent = {owner.name for uid, owner in wanted.items() if uid not in managers}
    # An object with the same name but another uid was created later and owns none of these pods.
    live = await _replica_sets(reads, namespace, absent)
    managers |= _managers(each for each in live if each.uid in wanted)
    return [chain(pod, managers) for pod in pods]


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
