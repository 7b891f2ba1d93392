"""The parts of kube-controller-manager and kubelet: pods for workloads, and their start and end.

The controllers react to changes of the store and have no timers: work that is due later
(`ready_after`, `terminate_after`) is done by the next call of `advance`.
"""

import heapq
import itertools
import time
from collections.abc import Callable

from deploy.sandbox.kubernetes import apps, core, garbage
from deploy.sandbox.kubernetes.builders import controller_of, now, pod_status
from deploy.sandbox.kubernetes.deployments import can_adopt, reconcile_deployment
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.pod_sets import reconcile_pod_set, reconcile_stateful_set
from deploy.sandbox.kubernetes.store import Change, Store, Stored

NODE = "node-1"
_Due = tuple[float, int, str, str, str]


class Controllers:
    """The controllers of a cluster; both settings are seconds, 0 for at once.

    With a `ready_after` of None pods stay Pending and unscheduled, as without a kubelet. With a
    `terminate_after` of None deleted pods and namespaces stay Terminating. With `reconciles` false
    there is no controller manager either.
    """

    def __init__(
        self,
        store: Store,
        ready_after: float | None = 0,
        terminate_after: float | None = 0,
        reconciles: bool = True,
    ) -> None:
        self.ready_after = ready_after
        self.terminate_after = terminate_after
        self._store = store
        self._changes: list[Change] = []
        self._due: list[_Due] = []
        self._order = itertools.count()
        self._reconcile: dict[Kind, Callable[[Stored], None]] = {
            apps.DEPLOYMENTS: lambda found: reconcile_deployment(store, found),
            apps.REPLICA_SETS: lambda found: self._pod_set(apps.REPLICA_SETS, found),
            apps.STATEFUL_SETS: lambda found: reconcile_stateful_set(store, found, self.start_pod),
            core.REPLICATION_CONTROLLERS: lambda found: self._pod_set(
                core.REPLICATION_CONTROLLERS, found
            ),
        }
        self._reconciles = reconciles
        store.listen(self._changes.append)

    def reconcile(self) -> None:
        """Reconcile after all changes, including those that reconciling makes."""
        while self._changes:
            # The changes that reconciling makes belong to the next round.
            changes, self._changes[:] = list(self._changes), []
            for change in changes:
                self._handle(change)
            for kind, key in self._workloads_of(changes) if self._reconciles else ():
                stored = self._store.get(kind, *key)
                if stored is not None and "deletionTimestamp" not in stored.metadata:
                    self._reconcile[kind](stored)

    def advance(self) -> None:
        """Start and end the pods that are due."""
        moment = time.monotonic()
        while self._due and self._due[0][0] <= moment:
            *_, uid, namespace, name = heapq.heappop(self._due)
            pod = self._store.get(core.PODS, namespace, name)
            # Meanwhile another pod of the same name may exist.
            if pod is None or pod.metadata["uid"] != uid:
                continue
            if "deletionTimestamp" in pod.metadata:
                garbage.remove(self._store, core.PODS, pod)
            else:
                self._store.put(core.PODS, _running(pod.object))
        self.reconcile()

    def next_due(self) -> float | None:
        """Return the seconds until `advance` has work, or None."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def start_pod(self, pod: Object) -> Object:
        """Return a new pod as scheduled, with its status after `ready_after` or before."""
        if self.ready_after is None or pod["spec"].get("nodeName"):
            return pod
        spec = {**pod["spec"], "nodeName": NODE}
        scheduled = {**pod, "spec": spec}
        if self.ready_after == 0:
            return _running(scheduled)
        self._schedule(self.ready_after, pod["metadata"])
        status = pod_status(spec, pod["metadata"]["name"], ready=False)
        return {**scheduled, "status": status}

    def _workloads_of(self, changes: list[Change]) -> dict[tuple[Kind, tuple[str, str]], None]:
        """Return the workloads that the changes concern, in order and without duplicates."""
        touched: dict[tuple[Kind, tuple[str, str]], None] = {}
        for change in changes:
            stored = change.after or change.before
            if stored is None:
                continue
            if change.kind in self._reconcile:
                touched[change.kind, stored.key] = None
            owner = controller_of(stored.metadata)
            if owner is not None:
                for kind in self._reconcile:
                    if (kind.api_version, kind.kind) == (owner["apiVersion"], owner["kind"]):
                        # A dict, so that a thousand new pods reconcile their owner once.
                        touched[kind, (stored.key[0], owner["name"])] = None
            elif change.kind is apps.REPLICA_SETS and change.after is not None:
                for deployment in self._store.items(apps.DEPLOYMENTS, stored.key[0]):
                    if can_adopt(deployment, stored):
                        touched[apps.DEPLOYMENTS, deployment.key] = None
        return touched

    def _handle(self, change: Change) -> None:
        if change.after is None:
            if change.before is not None and self._reconciles:
                garbage.collect(self._store, change.before)
        elif "deletionTimestamp" in change.after.metadata:
            self._end(change.kind, change.after)
        elif change.kind is core.PODS and change.before is None:
            self._start(change.after)

    def _start(self, pod: Stored) -> None:
        if pod.object.get("status", {}).get("phase") != "Pending":
            return
        started = self.start_pod(pod.object)
        if started is not pod.object:
            self._store.put(core.PODS, started)

    def _end(self, kind: Kind, stored: Stored) -> None:
        current = self._store.get(kind, *stored.key)
        # A newer version of the object has a change of its own in the queue.
        if current is None or current.version != stored.version:
            return
        if kind is core.NAMESPACES and self.terminate_after is None:
            return
        if kind is not core.PODS:
            garbage.finish(self._store, kind, stored)
        elif (
            not stored.object["spec"].get("nodeName")
            or self.terminate_after == 0
            or not stored.metadata.get("deletionGracePeriodSeconds")
        ):
            garbage.remove(self._store, kind, stored)
        elif self.terminate_after is not None:
            self._schedule(self.terminate_after, stored.metadata)

    def _schedule(self, seconds: float, metadata: Object) -> None:
        due = time.monotonic() + seconds
        place = (metadata["uid"], metadata["namespace"], metadata["name"])
        heapq.heappush(self._due, (due, next(self._order), *place))

    def _pod_set(self, kind: Kind, found: Stored) -> None:
        reconcile_pod_set(self._store, kind, found, self.start_pod)


def _running(pod: Object) -> Object:
    since = pod.get("status", {}).get("startTime") or now()
    status = pod_status(pod["spec"], pod["metadata"]["name"], ready=True, started=since)
    return {**pod, "status": status}
