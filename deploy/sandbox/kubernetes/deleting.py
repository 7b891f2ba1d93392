"""DELETE of an object or a collection, with propagation, preconditions and grace period."""

import msgspec

from deploy.sandbox.kubernetes import core, garbage, options
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.messages import Answer, Request, encode_object, json_answer
from deploy.sandbox.kubernetes.paths import Target
from deploy.sandbox.kubernetes.reading import list_body, selection
from deploy.sandbox.kubernetes.statuses import deleted, not_found, precondition_failed, refused
from deploy.sandbox.kubernetes.store import Store, Stored

_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_PERMANENT = {"default", "kube-system", "kube-public"}


def delete(store: Store, kind: Kind, target: Target, request: Request) -> Answer:
    wanted = options.deletion(request)
    stored = store.get(kind, target.namespace, target.name)
    if stored is None:
        raise not_found(kind, target.name)
    if kind is core.NAMESPACES and target.name in _PERMANENT:
        raise refused(kind, target.name, "this namespace may not be deleted")
    _check_preconditions(kind, stored, wanted)
    answer = stored if wanted.dry_run else _delete(store, kind, stored, wanted)
    if answer is None or (wanted.dry_run and not kind.deletion_answers_object):
        status = deleted(kind, target.name, stored.metadata["uid"])
        return json_answer(200, msgspec.json.encode(status), [])
    return json_answer(200, encode_object(kind, target.version, answer), [])


def _delete(store: Store, kind: Kind, stored: Stored, wanted: options.Deletion) -> Stored | None:
    """Delete an object and return it if it is the answer, or None if the answer is a Status."""
    # The kubelet decides when a pod ends; the propagation policy has no effect on that.
    if kind is core.PODS:
        return garbage.mark(store, kind, stored, _grace(stored, wanted))
    policy = wanted.policy or kind.orphans_by_default * "Orphan"
    finalizer = _FINALIZERS.get(policy, "")
    # A second deletion must not add the same finalizer again.
    if finalizer in (stored.metadata.get("finalizers") or ()):
        finalizer = ""
    if kind is core.NAMESPACES:
        return _terminating(store, stored)
    if finalizer or stored.metadata.get("finalizers"):
        return garbage.mark(store, kind, stored, finalizer=finalizer)
    store.remove(kind, *stored.key)
    return stored if kind.deletion_answers_object else None


def _grace(stored: Stored, wanted: options.Deletion) -> int:
    if not stored.object["spec"].get("nodeName"):
        return 0
    default = stored.object["spec"].get("terminationGracePeriodSeconds", 30)
    return int(default if wanted.grace is None else wanted.grace)


def _terminating(store: Store, stored: Stored) -> Stored:
    marked = garbage.mark(store, core.NAMESPACES, stored)
    if marked.object.get("status", {}).get("phase") == "Terminating":
        return marked
    metadata = {k: v for k, v in marked.metadata.items() if k != "deletionGracePeriodSeconds"}
    ending: Object = {**marked.object, "metadata": metadata, "status": {"phase": "Terminating"}}
    return store.put(core.NAMESPACES, ending)


def _check_preconditions(kind: Kind, stored: Stored, wanted: options.Deletion) -> None:
    uid, version = stored.metadata["uid"], stored.metadata["resourceVersion"]
    name = stored.metadata["name"]
    if wanted.uid and wanted.uid != uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid})."
            " The object might have been deleted and then recreated"
        )
        raise precondition_failed(kind, name, why)
    if wanted.version and wanted.version != version:
        why = (
            f"the ResourceVersion in the precondition ({wanted.version}) does not match the "
            f"ResourceVersion in record ({version}). The object might have been modified"
        )
        raise precondition_failed(kind, name, why)


def delete_collection(store: Store, kind: Kind, target: Target, request: Request) -> Answer:
    wanted = options.deletion(request)
    matches = selection(request, kind)
    items = [each for each in store.items(kind, target.namespace) if not matches or matches(each)]
    if not wanted.dry_run:
        for stored in items:
            _delete(store, kind, stored, wanted)
    metadata: Object = {"resourceVersion": str(store.version)}
    return json_answer(200, list_body(kind, target, metadata, items), [])
