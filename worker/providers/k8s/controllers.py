"""Controllers: found by a bare name, from a machine, or all that a namespace's machines have."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine, Object
from worker.memory import Memory
from worker.providers.k8s import errors, kinds, translate
from worker.providers.k8s.client import Conversation
from worker.providers.k8s.errors import Again, Failure, MissingRight
from worker.providers.k8s.kinds import KINDS, Kind
from worker.providers.k8s.objects import Owned, OwnerReference, Pod
from worker.providers.k8s.owners import AnyWorkload, Chain, Lists, Owners, above, list_all
from worker.providers.k8s.retries import Patience
from worker.providers.k8s.scaling import SpecVersions
from worker.together import together

log = logging.getLogger(__name__)

Named = api.GetController | api.UpdateControllerReplicas | api.DeleteController

KINDS_REMEMBERED = 10_000
KIND_LIFETIME_S = 600


class Deleted(NamedTuple):
    """The kind of a deleted controller, the controller if it was read before, and the answer."""

    kind: Kind
    former: Object | None
    answer: Object


class Kinds:
    """Which kind has a bare name: found by trying, remembered until it turns out wrong."""

    def __init__(self) -> None:
        self._known: Memory[tuple[str, str], Kind] = Memory(KINDS_REMEMBERED, KIND_LIFETIME_S)

    async def find(
        self, operation: Named, attempt: Callable[[Kind], Awaitable[Any]]
    ) -> tuple[Kind, Any]:
        """The kind that the hints name or that has the name first, and what an attempt on it gives.

        An attempt that ends as not_found has changed nothing, so commands may look this way too.
        """
        candidates = kinds.hinted(operation.kind, operation.api_version)
        if operation.kind is not None:
            return candidates[0], await attempt(candidates[0])
        key = (operation.scope, operation.name)
        remembered = self._known.get(key)
        refusal: Fault | None = None
        for kind in sorted(candidates, key=lambda each: each is not remembered):
            try:
                found = await attempt(kind)
            except MissingRight as fault:
                refusal = refusal or fault
            except Fault as fault:
                if fault.code is not Code.NOT_FOUND:
                    raise
                if kind is remembered:
                    self._known.forget(key)
            else:
                self._known.put(key, kind)
                return kind, found
        raise refusal or _absent(operation, candidates)

    async def delete(
        self,
        operation: api.DeleteController,
        talk: Conversation,
        versions: SpecVersions,
        namespace: str,
        name: str,
    ) -> Deleted:
        """Delete the controller that the hints name or that has the name first.

        A kind that is not known is read before: after a deletion whose answer was lost, nobody
        could tell the one that was deleted from one that was never there, and delete the next.
        Where the uid is known, a request that arrives late spares a later object of the same name.
        """
        key = (operation.scope, operation.name)
        candidates = kinds.hinted(operation.kind, operation.api_version)
        kind = candidates[0] if len(candidates) == 1 else self._known.get(key)
        if kind in candidates:
            self._known.forget(key)
            version = versions.get(kind, namespace, name)
            versions.forget(kind, namespace, name)
            try:
                path = kind.path(namespace, name)
                return Deleted(kind, None, await talk.delete(path, version and version.uid))
            except Fault as fault:
                is_absent = fault.code is Code.NOT_FOUND and len(candidates) > 1
                if not is_absent and fault.code is not Code.CONFLICT:
                    raise
        patience = Patience()
        while True:
            kind, found = await self.find(
                operation, lambda each: talk.get(each.path(namespace, name), Object)
            )
            self._known.forget(key)
            try:
                answer = await talk.delete(kind.path(namespace, name), _uid(found))
                return Deleted(kind, found, answer)
            except Failure as failure:
                if failure.code is not Code.CONFLICT:
                    raise
                replaced = Failure(failure.code, failure.message, again=Again.CONFLICT)
                await talk.wait(replaced, patience)


def _uid(found: Object) -> str:
    try:
        return msgspec.convert(found, Owned).metadata.uid
    except msgspec.ValidationError as error:
        raise errors.nonsense(str(error)) from error


def _absent(operation: Named, candidates: tuple[Kind, ...]) -> Fault:
    looked_for = ", ".join(kind.name for kind in candidates)
    return Fault(
        Code.NOT_FOUND,
        f'there is no controller "{operation.name}" in the namespace "{operation.scope}": '
        f"looked for {looked_for}",
    )


async def of_machine(
    talk: Conversation, owners: Owners, namespace: str, pod: Pod
) -> Controller | None:
    """The controller at the top of a pod's owners; None where it is gone or of another kind."""
    rest = above(pod.metadata)
    seen: set[str] = set()
    while rest and rest[0].uid not in seen:
        owner = rest[0]
        seen.add(owner.uid)
        kind = kinds.of_owner(owner)
        if kind is None:
            return None
        rest = owners.recall(owner.uid) or ()
        if rest:
            continue
        workload = await _read(talk, kind, namespace, owner)
        if workload is None:
            return None
        owners.learn(workload.metadata)
        rest = above(workload.metadata)
        if not rest:
            return translate.controller(kind, workload)
    return None


async def _read(
    talk: Conversation, kind: Kind, namespace: str, owner: OwnerReference
) -> AnyWorkload | None:
    try:
        workload: AnyWorkload = await talk.get(kind.path(namespace, owner.name), kind.shape)
    except Fault as fault:
        if fault.code is not Code.NOT_FOUND:
            raise
        return None
    # An object of the same name but another uid is a later one, and owns nothing of this.
    return workload if workload.metadata.uid == owner.uid else None


async def of_namespace(
    talk: Conversation, namespace: str, pods: list[tuple[Pod, Chain]], whole: Lists
) -> list[Controller]:
    """The controllers of every kind that pods have at their top, those scaled to zero included.

    Where no pod tells which kinds are in use, all are looked for. A kind that may not be listed
    costs no more than that: its controllers are as their pods show them. `whole` are the kinds
    that were read already.
    """
    machines: dict[str, list[Machine]] = defaultdict(list)
    tops: dict[str, tuple[Kind, OwnerReference]] = {}
    for pod, chain in pods:
        kind = kinds.of_owner(chain.top) if chain.top else None
        if chain.top is not None and kind is not None:
            tops[chain.top.uid] = kind, chain.top
            machines[chain.top.uid].append(translate.machine(pod, chain.top))
    occurring = {kind for kind, _ in tops.values()}
    listed = [kind for kind in KINDS if kind in occurring or not pods]
    found = await together(*(_all(talk, namespace, kind, whole) for kind in listed))
    controllers: list[Controller] = []
    for kind, workloads in zip(listed, found, strict=True):
        if workloads is None:
            controllers += [
                translate.controller_of(kind, top, machines[uid])
                for uid, (each, top) in tops.items()
                if each is kind
            ]
        for workload in workloads or ():
            uid = workload.metadata.uid
            if uid in tops or not above(workload.metadata):
                controllers.append(translate.controller(kind, workload, machines[uid]))
    return controllers


async def _all(
    talk: Conversation, namespace: str, kind: Kind, whole: Lists
) -> list[AnyWorkload] | None:
    """All of a kind, None where the worker may not list it."""
    if kind in whole:
        return whole[kind]
    try:
        return await list_all(talk, namespace, kind)
    except MissingRight as fault:
        log.warning("controllers of kind %s in %s: %s", kind.name, namespace, fault.message)
        return None
