"""Deployments: one ReplicaSet per pod template, and the roll-out from old ones to the new."""

from typing import Any

from deploy.sandbox.kubernetes import apps
from deploy.sandbox.kubernetes.builders import (
    controller_of,
    identity,
    now,
    owner_reference,
    template_hash,
)
from deploy.sandbox.kubernetes.fields import after_update
from deploy.sandbox.kubernetes.kinds import Object
from deploy.sandbox.kubernetes.pod_sets import MANAGER
from deploy.sandbox.kubernetes.selectors import selects
from deploy.sandbox.kubernetes.store import Store, Stored

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def reconcile_deployment(store: Store, found: Stored) -> None:
    wanted = found.object["spec"].get("replicas", 1)
    # Equal templates have equal hashes, so a rollback finds the ReplicaSet of its template.
    mine = template_hash(found.object["spec"]["template"])
    _adopt(store, found)
    sets = [s for kind, s in store.children(found.metadata["uid"]) if kind is apps.REPLICA_SETS]
    current = next((s for s in sets if s.labels.get(HASH) == mine), None)
    if current is None and not found.object["spec"].get("paused"):
        current = store.put(apps.REPLICA_SETS, _replica_set(found, mine, _revision(sets) + 1))
    if current is not None:
        _scale(store, current, wanted)
        old = [s for s in sets if s.key != current.key]
        # Old pods are removed as new ones become ready, so a slow roll-out is visible.
        _shrink(store, old, max(0, wanted - _count(current, "readyReplicas")))
        _report(store, found, current.key)


def can_adopt(found: Stored, replica_set: Stored) -> bool:
    """Return True for a ReplicaSet without a controller that the Deployment's selector matches."""
    return (
        found.key[0] == replica_set.key[0]
        and "deletionTimestamp" not in found.metadata
        and "deletionTimestamp" not in replica_set.metadata
        and controller_of(replica_set.metadata) is None
        and selects(found.object["spec"].get("selector"), replica_set.labels)
    )


def _adopt(store: Store, found: Stored) -> None:
    """Adopt the ReplicaSets that a deletion with orphaning left."""
    for replica_set in store.items(apps.REPLICA_SETS, found.metadata["namespace"]):
        if can_adopt(found, replica_set):
            owners = [
                *(replica_set.metadata.get("ownerReferences") or ()),
                owner_reference(apps.DEPLOYMENTS, found.object),
            ]
            metadata = {**replica_set.metadata, "ownerReferences": owners}
            store.put(apps.REPLICA_SETS, {**replica_set.object, "metadata": metadata})


def _revision(sets: list[Stored]) -> int:
    return max((int(_annotations(s).get(REVISION, "0")) for s in sets), default=0)


def _annotations(stored: Stored) -> dict[str, str]:
    return stored.metadata.get("annotations") or {}


def _count(stored: Stored, name: str) -> int:
    return int(stored.object.get("status", {}).get(name, 0))


def _replica_set(found: Stored, mine: str, revision: int) -> Object:
    given: Object = found.object["spec"]
    labels = {**(given["template"].get("metadata") or {}).get("labels", {}), HASH: mine}
    metadata = {**(given["template"].get("metadata") or {}), "labels": labels}
    selector = given["selector"]
    matching = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: mine}}
    replica_set: Object = {
        "metadata": identity(
            f"{found.metadata['name']}-{mine}",
            found.metadata["namespace"],
            generation=1,
            labels=labels,
            annotations=_counts(given, revision),
            ownerReferences=[owner_reference(apps.DEPLOYMENTS, found.object)],
        ),
        "spec": {
            "replicas": given.get("replicas", 1),
            "selector": matching,
            "template": {**given["template"], "metadata": metadata},
        },
        "status": {"replicas": 0},
    }
    managed = after_update(None, replica_set, MANAGER, "apps/v1", now())
    replica_set["metadata"]["managedFields"] = managed
    return replica_set


def _counts(spec: Object, revision: int) -> dict[str, str]:
    replicas = spec.get("replicas", 1)
    return {
        "deployment.kubernetes.io/desired-replicas": str(replicas),
        "deployment.kubernetes.io/max-replicas": str(replicas + max(1, replicas // 4)),
        REVISION: str(revision),
    }


def _scale(store: Store, current: Stored, replicas: int) -> None:
    if current.object["spec"]["replicas"] != replicas:
        generation = current.metadata.get("generation", 1) + 1
        metadata = {**current.metadata, "generation": generation}
        spec = {**current.object["spec"], "replicas": replicas}
        store.put(apps.REPLICA_SETS, {**current.object, "metadata": metadata, "spec": spec})


def _shrink(store: Store, old: list[Stored], allowed: int) -> None:
    for replica_set in old:
        kept = min(allowed, replica_set.object["spec"]["replicas"])
        allowed -= kept
        _scale(store, replica_set, kept)


def _report(store: Store, found: Stored, current: tuple[str, str]) -> None:
    sets = [s for kind, s in store.children(found.metadata["uid"]) if kind is apps.REPLICA_SETS]
    new = next(s for s in sets if s.key == current)
    wanted = found.object["spec"].get("replicas", 1)
    ready = sum(_count(s, "readyReplicas") for s in sets)
    counts = {
        "replicas": sum(_count(s, "replicas") for s in sets),
        "updatedReplicas": _count(new, "replicas"),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, wanted - ready),
    }
    status: Object = {
        "observedGeneration": found.metadata.get("generation", 1),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": 0,
        **{k: v for k, v in found.object.get("status", {}).items() if k == "collisionCount"},
        "conditions": _conditions(found, new.metadata["name"], ready >= wanted),
    }
    annotations = {**_annotations(found), REVISION: _annotations(new).get(REVISION, "1")}
    # Only a difference is written; otherwise reconciling would never end.
    if status != found.object.get("status") or annotations != _annotations(found):
        metadata = {**found.metadata, "annotations": annotations}
        store.put(apps.DEPLOYMENTS, {**found.object, "metadata": metadata, "status": status})


def _conditions(found: Stored, replica_set: str, available: bool) -> list[Object]:
    known = {c["type"]: c for c in found.object.get("status", {}).get("conditions") or ()}
    minimum = "Available" if available else "Unavailable"
    has = "has" if available else "does not have"
    progress = "has successfully progressed" if available else "is progressing"
    return [
        _condition(
            known,
            "Available",
            str(available),
            f"MinimumReplicas{minimum}",
            f"Deployment {has} minimum availability.",
        ),
        _condition(
            known,
            "Progressing",
            "True",
            "NewReplicaSetAvailable" if available else "ReplicaSetUpdated",
            f'ReplicaSet "{replica_set}" {progress}.',
        ),
    ]


def _condition(known: dict[str, Any], kind: str, status: str, reason: str, message: str) -> Object:
    made = {"type": kind, "status": status, "reason": reason, "message": message}
    before = known.get(kind)
    if before and {**before, **made} == before:
        return dict(before)
    since = before["lastTransitionTime"] if before and before["status"] == status else now()
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": now(),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
