"""Look up controllers: by name, by a machine, or all of a namespace.

The kind of a bare name is not cached: a cached kind would hide a newer controller of a kind that
comes first, and the result of a deletion would depend on the earlier requests of a worker.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET, structs

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine
from worker.gather_all import gather_all
from worker.providers.k8s import kinds, translate
from worker.providers.k8s.api.errors import Absent, MissingRight
from worker.providers.k8s.controllers.owners import chains_of, manager_of, owner_of
from worker.providers.k8s.informers.reads import Reads
from worker.providers.k8s.kinds import KINDS, PODS, REPLICA_SETS, Kind
from worker.providers.k8s.objects import (
    OwnerReference,
    Pod,
    Replication,
    Workload,
)
from worker.providers.k8s.selectors import Selector

log = logging.getLogger(__name__)

Named = api.GetController | api.UpdateControllerReplicas | api.DeleteController
AnyWorkload = Workload | Replication


async def find(operation: Named, attempt: Callable[[Kind], Awaitable[Any]]) -> tuple[Kind, Any]:
    """Try the kinds that match the hints in order; return the first existing one and its result.

    Commands may use this, because an attempt on an absent object changes nothing. Only a query
    skips a kind that the worker may not access: a command could otherwise change a controller of
    the next kind although the name belongs to this one.
    """
    candidates = kinds.hinted(operation.kind, operation.api_version)
    if operation.kind is not None:
        return candidates[0], await attempt(candidates[0])
    refusal: Fault | None = None
    for kind in candidates:
        try:
            return kind, await attempt(kind)
        except MissingRight as fault:
            if not isinstance(operation, api.GetController) and kind is not candidates[-1]:
                raise _undecided(fault, kind, operation.name) from fault
            refusal = refusal or fault
        except Absent:
            continue
    raise refusal or _absent(operation, candidates)


def _undecided(fault: MissingRight, kind: Kind, name: str) -> Fault:
    return Fault(
        fault.code,
        f'{fault.message}. Without this right the worker cannot tell whether "{name}" is a '
        f"{kind.name}: grant it, or repeat the request with the parameter kind, one of "
        f"{kinds.EXPECTED_KINDS}",
    )


def _absent(operation: Named, candidates: tuple[Kind, ...]) -> Fault:
    looked_for = ", ".join(kind.name for kind in candidates)
    return Fault(
        Code.NOT_FOUND,
        f'there is no controller "{operation.name}" in the namespace "{operation.scope}": '
        f"looked for {looked_for}",
    )


async def find_in_informers(
    operation: api.GetController, namespace: str, reads: Reads
) -> tuple[Kind, AnyWorkload] | None:
    """Return the first controller of the kinds that match the hints, if informers have it.

    None if an informer of an earlier kind cannot be used, because that kind takes precedence.
    """
    for kind in kinds.hinted(operation.kind, operation.api_version):
        store = await reads.store(kind, namespace)
        if store is None:
            return None
        if (found := store.get(operation.name)) is not None:
            return kind, found
    return None


async def controller_of_machine(reads: Reads, namespace: str, pod: Pod) -> Controller | None:
    """Return the controller of a pod; None if it is absent or of another kind.

    If the worker may not read an owner, the controller is searched in the list of the namespace,
    which takes more requests.
    """
    owner = owner_of(pod.metadata)
    while owner is not None and (kind := kinds.of_owner(owner)) is not None:
        try:
            workload = await _read(reads, kind, namespace, owner)
        except MissingRight as fault:
            log.warning("the %s %s in %s: %s", kind.name, owner.name, namespace, fault.message)
            return await _from_namespace_list(reads, namespace, pod)
        if workload is None:
            return None
        owner = manager_of(kind, workload.metadata)
        if owner is None:
            return translate.controller(kind, workload)
    return None


async def _from_namespace_list(reads: Reads, namespace: str, pod: Pod) -> Controller | None:
    """Return the controller of a pod from the list of the namespace, without machines."""
    pods = await running(reads, namespace, None)
    for each in await controllers_of_namespace(reads, namespace, pods):
        if any(machine.id == pod.metadata.name for machine in each.machines or ()):
            return structs.replace(each, machines=UNSET)
    return None


async def running(reads: Reads, namespace: str, selector: Selector | None) -> list[Pod]:
    """Return the pods that are not finished."""
    listed: list[Pod] = await reads.list(PODS, namespace, selector)
    return [pod for pod in listed if not translate.is_finished(pod)]


async def _read(
    reads: Reads, kind: Kind, namespace: str, owner: OwnerReference
) -> AnyWorkload | None:
    try:
        workload: AnyWorkload = await reads.get(kind, namespace, owner.name)
    except Absent:
        return None
    # An object with the same name but another uid was created later and does not own this pod.
    return workload if workload.metadata.uid == owner.uid else None


async def controllers_of_namespace(
    reads: Reads, namespace: str, pods: list[Pod]
) -> list[Controller]:
    """Return all controllers of a namespace except ReplicaSets that a Deployment manages.

    Controllers of a kind that the worker may not list are derived from their pods.
    """
    found = await gather_all(*(_list_kind(reads, namespace, kind) for kind in KINDS))
    lists = dict(zip(KINDS, found, strict=True))
    managers = {
        each.metadata.uid: manager_of(REPLICA_SETS, each.metadata)
        for each in lists[REPLICA_SETS] or ()
    }
    machines: dict[str, list[Machine]] = defaultdict(list)
    tops: dict[str, OwnerReference] = {}
    owners = [owner_of(pod.metadata) for pod in pods]
    for pod, chain in zip(pods, chains_of(owners, managers), strict=True):
        top = chain.top
        if top is not None:
            tops[top.uid] = top
            machines[top.uid].append(reads.machine(pod, top))
    controllers: list[Controller] = []
    for kind, workloads in lists.items():
        if workloads is None:
            controllers += [
                translate.controller_from_machines(kind, top, machines[uid])
                for uid, top in tops.items()
                if kinds.of_owner(top) is kind
            ]
        controllers += [
            translate.controller(kind, each, machines[each.metadata.uid])
            for each in workloads or ()
            if manager_of(kind, each.metadata) is None
        ]
    return controllers


async def _list_kind(reads: Reads, namespace: str, kind: Kind) -> list[AnyWorkload] | None:
    """Return all controllers of a kind, None if the worker may not list it."""
    try:
        return await reads.list(kind, namespace)
    except MissingRight as fault:
        log.warning("controllers of kind %s in %s: %s", kind.name, namespace, fault.message)
        return None
