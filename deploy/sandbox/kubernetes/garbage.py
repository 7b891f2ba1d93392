"""Deletion: finalizers, grace periods and the garbage collection of dependents."""

from deploy.sandbox.kubernetes import core
from deploy.sandbox.kubernetes.builders import now
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.store import Store, Stored

_PROPAGATION = {"foregroundDeletion", "orphan"}


def mark(store: Store, kind: Kind, stored: Stored, grace: int = 0, finalizer: str = "") -> Stored:
    """Set deletionTimestamp; the object stays until finalizers and kubelet have finished."""
    if "deletionTimestamp" in stored.metadata and grace >= stored.metadata.get(
        "deletionGracePeriodSeconds", 0
    ):
        return stored
    metadata = {
        **stored.metadata,
        "deletionTimestamp": now(grace),
        "deletionGracePeriodSeconds": grace,
    }
    if kind.counts_generations and "deletionTimestamp" not in stored.metadata:
        metadata["generation"] = metadata.get("generation", 1) + 1
    if finalizer:
        metadata["finalizers"] = [*metadata.get("finalizers", ()), finalizer]
    return store.put(kind, {**stored.object, "metadata": metadata})


def remove(store: Store, kind: Kind, stored: Stored) -> None:
    if not stored.metadata.get("finalizers"):
        store.remove(kind, *stored.key)


def delete(store: Store, kind: Kind, stored: Stored) -> None:
    """Delete an object with its grace period and its finalizers."""
    if kind is core.PODS:
        grace = stored.object["spec"].get("terminationGracePeriodSeconds", 30)
        scheduled = bool(stored.object["spec"].get("nodeName"))
        mark(store, kind, stored, grace if scheduled else 0)
    elif stored.metadata.get("finalizers"):
        mark(store, kind, stored)
    else:
        store.remove(kind, *stored.key)


def finish(store: Store, kind: Kind, stored: Stored) -> None:
    """Execute the finalizers of the API server, then remove the object if no others remain."""
    finalizers = stored.metadata.get("finalizers") or []
    if "orphan" in finalizers:
        for child_kind, child in store.children(stored.metadata["uid"]):
            store.put(child_kind, _without_owner(child.object, stored.metadata["uid"]))
    elif "foregroundDeletion" in finalizers:
        collect(store, stored)
    if kind is core.NAMESPACES:
        _empty(store, stored.metadata["name"])
    rest = [name for name in finalizers if name not in _PROPAGATION]
    if not rest:
        store.remove(kind, *stored.key)
    elif rest != finalizers:
        store.put(kind, {**stored.object, "metadata": {**stored.metadata, "finalizers": rest}})


def collect(store: Store, owner: Stored) -> None:
    """Delete the dependents that have no other owner."""
    uid = owner.metadata["uid"]
    for kind, child in store.children(uid):
        orphaned = _without_owner(child.object, uid)
        # A dependent with another owner stays.
        if orphaned["metadata"].get("ownerReferences"):
            store.put(kind, orphaned)
        elif "deletionTimestamp" not in child.metadata:
            delete(store, kind, child)


def _without_owner(obj: Object, uid: str) -> Object:
    owners = [o for o in obj["metadata"].get("ownerReferences") or () if o["uid"] != uid]
    metadata = {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}
    return {**obj, "metadata": {**metadata, **({"ownerReferences": owners} if owners else {})}}


def _empty(store: Store, namespace: str) -> None:
    for kind in store.kinds():
        if kind.namespaced:
            for stored in store.items(kind, namespace):
                store.remove(kind, *stored.key)
