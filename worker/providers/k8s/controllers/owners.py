"""Which controller a pod belongs to, by owner references that are read anew for every answer.

Nothing of this is remembered. An owner reference changes: deleting a Deployment with
`--cascade=orphan` releases its ReplicaSets, and the next Deployment whose selector fits adopts
them. No other answer of the API server disproves a remembered owner in every case, and two workers
that remember different owners contradict each other.
"""

import logging
from collections.abc import Iterable, Sequence

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.k8s import kinds
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.kinds import DEPLOYMENTS, REPLICA_SETS, Kind
from worker.providers.k8s.objects import ListOf, Metadata, Owned, OwnerReference

log = logging.getLogger(__name__)

READ_BY_NAME = 3
"""So many ReplicaSets are read one by one: a roll-out has two. More are read by one list."""

Managers = dict[str, OwnerReference | None]
"""The Deployment that manages each ReplicaSet that was read, by the uid of the ReplicaSet."""


class Chain(Struct, frozen=True):
    """The owners of a pod up to its controller; not `complete` where one could not be read."""

    owners: tuple[OwnerReference, ...]
    complete: bool

    @property
    def top(self) -> OwnerReference | None:
        """The controller of the pod as far as it is known, or an owner of another kind."""
        return self.owners[-1] if self.owners else None

    def may_contain(self, uid: str) -> bool:
        """Whether an object is among the owners, as far as they are known."""
        return not self.complete or any(owner.uid == uid for owner in self.owners)


def owner_of(metadata: Metadata) -> OwnerReference | None:
    """The owner that controls an object; others only keep it from being collected."""
    owners = metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller), None)


def manager_of(kind: Kind, metadata: Metadata) -> OwnerReference | None:
    """The controller that scales another one: of a ReplicaSet its Deployment.

    What a custom resource owns is a controller all the same.
    """
    owner = owner_of(metadata) if kind is REPLICA_SETS else None
    return owner if owner is not None and kinds.of_owner(owner) is DEPLOYMENTS else None


def chain(pod: Metadata, managers: Managers) -> Chain:
    """The chain of a pod, given the ReplicaSets that were read."""
    owner = owner_of(pod)
    if owner is None:
        return Chain((), complete=True)
    if kinds.of_owner(owner) is not REPLICA_SETS:
        return Chain((owner,), complete=True)
    manager = managers.get(owner.uid)
    return Chain((owner, manager) if manager else (owner,), complete=owner.uid in managers)


async def chains(kube: BoundClient, namespace: str, pods: Sequence[Metadata]) -> list[Chain]:
    """The chain of each pod; an owner that cannot be read leaves it incomplete, no more."""
    owners = (owner_of(pod) for pod in pods)
    wanted = {
        owner.uid: owner for owner in owners if owner and kinds.of_owner(owner) is REPLICA_SETS
    }
    # An object of the same name but another uid is a later one: it owns none of these.
    managers = {
        found.uid: manager_of(REPLICA_SETS, found)
        for found in await _replica_sets(kube, namespace, wanted.values())
        if found.uid in wanted
    }
    return [chain(pod, managers) for pod in pods]


async def _replica_sets(
    kube: BoundClient, namespace: str, wanted: Iterable[OwnerReference]
) -> list[Metadata]:
    names = {owner.name for owner in wanted}
    if len(names) > READ_BY_NAME:
        return await _all(kube, namespace)
    found = await gather_all(*(_one(kube, namespace, name) for name in names))
    return [metadata for each in found for metadata in each]


async def _all(kube: BoundClient, namespace: str) -> list[Metadata]:
    try:
        found = await kube.list(REPLICA_SETS.path(namespace), ListOf[Owned])
    except Fault as fault:
        return _unreadable(namespace, fault)
    return [each.metadata for each in found]


async def _one(kube: BoundClient, namespace: str, name: str) -> list[Metadata]:
    try:
        found = await kube.get(REPLICA_SETS.path(namespace, name), Owned)
    except Fault as fault:
        return _unreadable(namespace, fault)
    return [found.metadata]


def _unreadable(namespace: str, fault: Fault) -> list[Metadata]:
    if fault.code is Code.DEADLINE_EXCEEDED:
        raise fault
    log.warning("owners of kind ReplicaSet in %s: %s", namespace, fault.message)
    return []
