"""ReplicaSets, ReplicationControllers and StatefulSets: their pods and their status."""

from collections.abc import Callable

from deploy.sandbox.kubernetes import apps, core, garbage
from deploy.sandbox.kubernetes.builders import (
    identity,
    owner_reference,
    template_hash,
    with_account,
    word,
)
from deploy.sandbox.kubernetes.fields import entry, leaves
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.selectors import selects
from deploy.sandbox.kubernetes.store import Store, Stored

# The capacity of the nodes; a workload that needs more pods does not get them.
MAX_PODS = 5_000
MANAGER = "kube-controller-manager"
Start = Callable[[Object], Object]


def is_ready(pod: Stored) -> bool:
    conditions = pod.object.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def reconcile_pod_set(store: Store, kind: Kind, found: Stored, start: Start) -> None:
    pods = _own_pods(store, found)
    missing = _wanted(found) - len(pods)
    if missing > 0:
        prefix = f"{found.metadata['name']}-"
        pattern = _pattern(kind, found.object, {"generateName": prefix})
        for _ in range(missing):
            name = prefix + word(f"{found.metadata['name']}/{store.version}", 5)
            store.put(core.PODS, start(_pod(pattern, name)))
    # As the real controller: pods that are not ready first, then the newest.
    for pod in sorted(pods, key=_removal_order)[: max(0, -missing)]:
        garbage.delete(store, core.PODS, pod)
    _report(store, kind, found)


def reconcile_stateful_set(store: Store, found: Stored, start: Start) -> None:
    spec = found.object["spec"]
    revision = f"{found.metadata['name']}-{template_hash(spec['template'])}"
    pods = {pod.metadata["name"]: pod for pod in _own_pods(store, found)}
    wanted = [f"{found.metadata['name']}-{n}" for n in range(_wanted(found))]
    for name, pod in pods.items():
        if name not in wanted or pod.labels.get("controller-revision-hash") != revision:
            garbage.delete(store, core.PODS, pod)
    in_order = spec.get("podManagementPolicy") != "Parallel"
    for number, name in enumerate(wanted):
        present = store.get(core.PODS, found.metadata["namespace"], name)
        if present is None:
            present = store.put(core.PODS, start(_numbered(found, name, number, revision)))
        # OrderedReady: the next pod is created when this one is ready.
        if in_order and not is_ready(present):
            break
    _report(store, apps.STATEFUL_SETS, found, revision)


def _wanted(found: Stored) -> int:
    """Return the number of pods, or 0 if the selector does not match the template."""
    spec = found.object["spec"]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    return min(spec.get("replicas", 1), MAX_PODS) if selects(spec.get("selector"), labels) else 0


def _numbered(found: Stored, name: str, number: int, revision: str) -> Object:
    labels = {
        "apps.kubernetes.io/pod-index": str(number),
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": name,
    }
    prefix = f"{found.metadata['name']}-"
    pattern = _pattern(apps.STATEFUL_SETS, found.object, {"generateName": prefix}, labels)
    service = found.object["spec"].get("serviceName")
    pattern["spec"] |= {"hostname": name, **({"subdomain": service} if service else {})}
    return _pod(pattern, name)


def _own_pods(store: Store, found: Stored) -> list[Stored]:
    """Return the owned pods that the selector matches, and release the others."""
    counted = []
    for kind, pod in store.children(found.metadata["uid"]):
        if kind is not core.PODS or "deletionTimestamp" in pod.metadata:
            continue
        if selects(found.object["spec"].get("selector"), pod.labels):
            counted.append(pod)
        else:
            metadata = {k: v for k, v in pod.metadata.items() if k != "ownerReferences"}
            store.put(core.PODS, {**pod.object, "metadata": metadata})
    return counted


def _pattern(kind: Kind, owner: Object, extra: Object, labels: Object | None = None) -> Object:
    """Return the fields that all pods of an owner share; stored objects never change in place."""
    given = owner["spec"]["template"]
    metadata = given.get("metadata") or {}
    pod: Object = {
        "metadata": {
            **extra,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(metadata.get("labels") or {}), **(labels or {})},
            "ownerReferences": [owner_reference(kind, owner)],
        },
        "spec": {**given["spec"]},
    }
    if metadata.get("annotations"):
        pod["metadata"]["annotations"] = metadata["annotations"]
    core.PODS.defaults(pod)
    pod["managed"] = leaves({"metadata": pod["metadata"], "spec": given["spec"]}).keys()
    return pod


def _pod(pattern: Object, name: str) -> Object:
    metadata = {**pattern["metadata"], **identity(name), "generation": 1}
    time = metadata["creationTimestamp"]
    metadata["managedFields"] = [entry(MANAGER, "Update", "v1", time, pattern["managed"])]
    spec = with_account(pattern["spec"], name)
    return {"metadata": metadata, "spec": spec, "status": pattern["status"]}


def _removal_order(pod: Stored) -> tuple[bool, int]:
    """Return the sort key for removal: pods that are not ready first, then the newest."""
    return is_ready(pod), -pod.version


def _report(store: Store, kind: Kind, found: Stored, revision: str = "") -> None:
    current = store.get(kind, *found.key)
    if current is None:
        return
    pods = _own_pods(store, current)
    ready = sum(map(is_ready, pods))
    status = _status(kind, len(pods), ready, current, revision)
    if current.object.get("status") != status:
        store.put(kind, {**current.object, "status": status})


def _status(kind: Kind, total: int, ready: int, current: Stored, revision: str) -> Object:
    status: Object = {"replicas": total}
    if kind is apps.STATEFUL_SETS:
        status |= {"currentReplicas": total, "updatedReplicas": total, "collisionCount": 0}
        status |= {"currentRevision": revision, "updateRevision": revision}
    else:
        status["fullyLabeledReplicas"] = total
    status |= {"readyReplicas": ready, "availableReplicas": ready}
    always = {"replicas", "availableReplicas" if revision else "replicas", "collisionCount"}
    status = {name: value for name, value in status.items() if value or name in always}
    if kind is apps.REPLICA_SETS:
        status["terminatingReplicas"] = 0
    return {**status, "observedGeneration": current.metadata.get("generation", 1)}
