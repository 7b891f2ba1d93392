"""Methods that add, read and remove objects of the sandbox from Python."""

from typing import Any

from deploy.sandbox.kubernetes import apps, autoscalers, core, gateway_api
from deploy.sandbox.kubernetes.builders import identity, now, pod_status, template, with_account
from deploy.sandbox.kubernetes.controllers import NODE, Controllers
from deploy.sandbox.kubernetes.fields import after_update
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.paths import Catalogue
from deploy.sandbox.kubernetes.services import allocate
from deploy.sandbox.kubernetes.store import Store

MANAGER = "sandbox"


class Population:
    """The objects of a cluster; all methods are thread-safe. Returned objects are read-only."""

    def __init__(self, store: Store, controllers: Controllers, kinds: Catalogue) -> None:
        self.store = store
        self.controllers = controllers
        self._kinds = kinds

    def add(self, kind: Kind, obj: Object) -> Object:
        """Store an object of any kind with defaults and identity, without validation."""
        metadata = obj["metadata"]
        place = metadata.get("namespace", "default") if kind.namespaced else ""
        given = {k: v for k, v in metadata.items() if k not in {"name", "namespace"}}
        fresh = identity(metadata["name"], place, **given)
        if kind.counts_generations:
            fresh.setdefault("generation", 1)
        whole = {**obj, "metadata": fresh}
        whole.pop("kind", None)
        whole.pop("apiVersion", None)
        with self.store.lock:
            kind.defaults(whole)
            # The fields have a manager of their own, so that an apply can conflict.
            fresh["managedFields"] = after_update(None, whole, MANAGER, kind.api_version, now())
            if kind is core.SERVICES:
                allocate(whole)
            stored = self.store.put(kind, whole)
            self.controllers.reconcile()
            return self._current(kind, *stored.key) or stored.object

    def add_namespace(self, name: str, **labels: str) -> Object:
        return self.add(core.NAMESPACES, {"metadata": {"name": name, "labels": labels}})

    def add_deployment(self, name: str, namespace: str = "default", **more: Any) -> Object:
        """Add a Deployment with its ReplicaSet and pods; `more` as in `_workload`."""
        return self.add(apps.DEPLOYMENTS, _workload(name, namespace, **more))

    def add_stateful_set(self, name: str, namespace: str = "default", **more: Any) -> Object:
        workload = _workload(name, namespace, **more)
        workload["spec"].setdefault("serviceName", name)
        return self.add(apps.STATEFUL_SETS, workload)

    def add_replica_set(self, name: str, namespace: str = "default", **more: Any) -> Object:
        return self.add(apps.REPLICA_SETS, _workload(name, namespace, **more))

    def add_replication_controller(
        self, name: str, namespace: str = "default", **more: Any
    ) -> Object:
        workload = _workload(name, namespace, **more)
        workload["spec"]["selector"] = workload["spec"]["selector"]["matchLabels"]
        return self.add(core.REPLICATION_CONTROLLERS, workload)

    def add_pod(
        self,
        name: str,
        namespace: str = "default",
        labels: dict[str, str] | None = None,
        *,
        image: str = "registry.example/app:1.0.0",
        owner: Object | None = None,
        ready: bool = True,
        **status: Any,
    ) -> Object:
        """Add a scheduled pod; `owner` is an ownerReference, and its object need not exist.

        Further keywords replace fields of the status, such as `phase="Failed"`.
        """
        metadata: Object = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
        if owner is not None:
            metadata["ownerReferences"] = [owner]
        spec = with_account(template({}, image)["spec"], name)
        spec["nodeName"] = NODE
        reported = {**pod_status(spec, name, ready=ready), **status}
        return self.add(core.PODS, {"metadata": metadata, "spec": spec, "status": reported})

    def add_service(
        self,
        name: str,
        namespace: str = "default",
        labels: dict[str, str] | None = None,
        *,
        selector: dict[str, str] | None = None,
        ports: list[Object] | None = None,
    ) -> Object:
        spec = {"selector": selector or {"app": name}, "ports": ports or [{"port": 80}]}
        metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
        return self.add(core.SERVICES, {"metadata": metadata, "spec": spec})

    def add_gateway(self, name: str, namespace: str = "default", **spec: Any) -> Object:
        listener = {"name": "http", "protocol": "HTTP", "port": 80}
        given = {"gatewayClassName": "sandbox", "listeners": [listener], **spec}
        metadata = {"name": name, "namespace": namespace}
        return self.add(gateway_api.GATEWAYS, {"metadata": metadata, "spec": given})

    def add_autoscaler(
        self,
        name: str,
        target: Object,
        namespace: str = "default",
        *,
        least: int = 1,
        most: int = 3,
        owner: Object | None = None,
    ) -> Object:
        """Add a HorizontalPodAutoscaler for a scaleTargetRef; `owner` is an ownerReference."""
        metadata: Object = {"name": name, "namespace": namespace}
        if owner is not None:
            metadata["ownerReferences"] = [owner]
        spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
        return self.add(autoscalers.AUTOSCALERS, {"metadata": metadata, "spec": spec})

    def read(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """Return an object as stored or None; `kind` is such as `pods` or `deployments.apps`."""
        with self.store.lock:
            self.controllers.advance()
            return self._current(self._kinds.named(kind), namespace, name)

    def read_all(self, kind: str, namespace: str = "default") -> list[Object]:
        with self.store.lock:
            self.controllers.advance()
            return [
                stored.object for stored in self.store.items(self._kinds.named(kind), namespace)
            ]

    def remove(self, kind: str, name: str, namespace: str = "default") -> None:
        """Remove an object at once, with its dependents."""
        with self.store.lock:
            self.store.remove(self._kinds.named(kind), namespace, name)
            self.controllers.reconcile()

    def touch(self, kind: str, name: str, namespace: str = "default", **annotations: str) -> Object:
        """Add annotations to an object, as another client would; its resourceVersion changes."""
        with self.store.lock:
            found = self._kinds.named(kind)
            stored = self.store.get(found, namespace, name)
            if stored is None:
                raise KeyError(f"{kind} {namespace}/{name}")
            merged = {**(stored.metadata.get("annotations") or {}), **annotations}
            merged.setdefault("touched", stored.metadata["resourceVersion"])
            metadata = {**stored.metadata, "annotations": merged}
            touched = self.store.put(found, {**stored.object, "metadata": metadata})
            self.controllers.reconcile()
            return touched.object

    def _current(self, kind: Kind, namespace: str, name: str) -> Object | None:
        stored = self.store.get(kind, namespace, name)
        return stored.object if stored else None


def _workload(
    name: str,
    namespace: str,
    *,
    replicas: int = 1,
    labels: dict[str, str] | None = None,
    image: str = "registry.example/app:1.0.0",
    annotations: dict[str, str] | None = None,
    selector: Object | None = None,
    spec: Object | None = None,
    owner: Object | None = None,
) -> Object:
    """Return a workload; `labels` are also those of its pods, `spec` is merged into its spec.

    `owner` is an ownerReference, and its object need not exist.
    """
    own = {"app": name, **(labels or {})}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": own,
            "annotations": dict(annotations or {}),
            **({"ownerReferences": [owner]} if owner else {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": selector or {"matchLabels": {"app": name}},
            "template": template(own, image),
            **(spec or {}),
        },
    }
