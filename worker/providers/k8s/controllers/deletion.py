"""Delete a controller, with or without a hint of its kind."""

from typing import NamedTuple

import msgspec

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.providers.k8s import kinds
from worker.providers.k8s.api import errors
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Again, Failure
from worker.providers.k8s.api.retries import RetryBudget
from worker.providers.k8s.controllers.lookup import find
from worker.providers.k8s.controllers.owners import owner_of
from worker.providers.k8s.controllers.scaling import SpecVersions
from worker.providers.k8s.kinds import REPLICA_SETS, Kind
from worker.providers.k8s.objects import Metadata, Owned, OwnerReference


class Deleted(NamedTuple):
    """A deletion: the kind, the controller if it was read before, and the API server's response."""

    kind: Kind
    former: Object | None
    answer: Object


async def delete(
    operation: api.DeleteController,
    kube: BoundClient,
    versions: SpecVersions,
    namespace: str,
    name: str,
    *,
    is_repeat: bool,
) -> Deleted:
    """Delete the controller that the hints select, or the first existing one with the name.

    Without a kind the controller is read first: after a lost response, a deleted controller would
    look like an absent one, and the next kind would be deleted too. A ReplicaSet is read first
    because its Deployment would recreate it. A controller with an owner is a conflict. With a known
    uid, a late request does not delete a later object of the same name.
    """
    candidates = kinds.hinted(operation.kind, operation.api_version)
    if len(candidates) == 1 and candidates[0] is not REPLICA_SETS:
        [kind] = candidates
        version = versions.get(kind, namespace, name)
        versions.forget(kind, namespace, name)
        try:
            path = kind.path(namespace, name)
            return Deleted(kind, None, await kube.delete(path, version and version.uid))
        except Fault as fault:
            if fault.code is not Code.CONFLICT:
                raise
    budget = RetryBudget()
    while True:
        kind, found = await find(
            operation, lambda each: kube.get(each.path(namespace, name), Object)
        )
        if is_repeat and kind is not candidates[0]:
            raise _ambiguous(kind, name)
        metadata = _metadata(found)
        if (owner := owner_of(metadata)) is not None:
            raise _recreated_by_owner(kind, name, owner)
        versions.forget(kind, namespace, name)
        try:
            answer = await kube.delete(kind.path(namespace, name), metadata.uid)
            return Deleted(kind, found, answer)
        except Failure as failure:
            if failure.code is not Code.CONFLICT:
                raise
            replaced = Failure(failure.code, failure.message, again=Again.CONFLICT)
            await kube.wait(replaced, budget)


def _ambiguous(kind: Kind, name: str) -> Fault:
    return Fault(
        Code.CONFLICT,
        f'the deletion of "{name}" was begun before and interrupted, and may have deleted a '
        f"controller of another kind already: to delete the {kind.name} of this name too, repeat "
        f"the request with kind={kind.name}",
    )


def _recreated_by_owner(kind: Kind, name: str, owner: OwnerReference) -> Fault:
    return Fault(
        Code.CONFLICT,
        f'the {kind.name} "{name}" is owned by the {owner.kind} "{owner.name}", which would '
        f"make it again at once: delete the {owner.kind} instead",
    )


def _metadata(found: Object) -> Metadata:
    try:
        return msgspec.convert(found, Owned).metadata
    except msgspec.ValidationError as error:
        raise errors.unexpected_body(str(error)) from error
