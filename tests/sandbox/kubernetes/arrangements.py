"""The changes between recorded requests that the recorder made to its cluster."""

from collections.abc import Callable
from typing import Any

from deploy.sandbox.kubernetes import apps, core, gateway_api
from deploy.sandbox.kubernetes.access import rule
from deploy.sandbox.kubernetes.builders import pod_status, with_account
from deploy.sandbox.kubernetes.kinds import Object
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from deploy.sandbox.kubernetes.store import Stored

NAMESPACE = "rec"
Arrangement = Callable[[KubernetesSandbox], Any]


def workload(name: str, replicas: int = 1) -> Object:
    labels = {"app": name}
    container = {"name": "c", "image": "nginx:1.25", "ports": [{"containerPort": 80}]}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def config_map(name: str, **metadata: Any) -> Arrangement:
    place = {"name": name, "namespace": NAMESPACE, **metadata}
    return lambda sandbox: sandbox.add(core.CONFIG_MAPS, {"metadata": place, "data": {"k": "v"}})


def pod(name: str, **metadata: Any) -> Arrangement:
    place = {"name": name, "namespace": NAMESPACE, **metadata}
    spec = with_account({"containers": [{"name": "c", "image": "nginx"}]}, name)
    return lambda sandbox: sandbox.add(core.PODS, {"metadata": place, "spec": dict(spec)})


def deployment(name: str, replicas: int = 1) -> Arrangement:
    return lambda sandbox: sandbox.add(apps.DEPLOYMENTS, workload(name, replicas))


def of_kind(kind: Any, name: str, **fields: Any) -> Arrangement:
    place = {"name": name, "namespace": NAMESPACE}
    return lambda sandbox: sandbox.add(kind, {"metadata": place, **fields})


def gone(kind: str, name: str) -> Arrangement:
    return lambda sandbox: sandbox.remove(kind, name, NAMESPACE)


def replication_controller(sandbox: KubernetesSandbox) -> None:
    controller = workload("rc")
    controller["spec"]["selector"] = {"app": "rc"}
    sandbox.add(core.REPLICATION_CONTROLLERS, controller)


def run_pods(app: str, node: bool = False) -> Arrangement:
    """Report the pods of an application as Running, as the recorder did in place of a kubelet."""

    def change(stored: Stored) -> Object:
        spec = stored.object["spec"]
        if node:
            spec = {**spec, "nodeName": "n1"}
        status = pod_status(spec, stored.metadata["name"], ready=True)
        return {**stored.object, "spec": spec, "status": status}

    def run(sandbox: KubernetesSandbox) -> None:
        with sandbox.store.lock:
            for stored in sandbox.store.items(core.PODS, NAMESPACE):
                if stored.labels.get("app") == app:
                    sandbox.store.put(core.PODS, change(stored))
            sandbox.controllers.reconcile()

    return run


_SCHEDULED = {
    "type": "PodScheduled",
    "status": "True",
    "lastProbeTime": None,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def bind(name: str, node: str) -> Arrangement:
    def run(sandbox: KubernetesSandbox) -> None:
        stored = sandbox.store.get(core.PODS, NAMESPACE, name)
        assert stored is not None
        spec = {**stored.object["spec"], "nodeName": node}
        status = {**stored.object["status"], "conditions": [_SCHEDULED]}
        sandbox.store.put(core.PODS, {**stored.object, "spec": spec, "status": status})
        sandbox.controllers.reconcile()

    return run


def reap(sandbox: KubernetesSandbox) -> None:
    """Confirm the end of all terminating pods."""
    with sandbox.store.lock:
        for stored in sandbox.store.items(core.PODS, NAMESPACE):
            if "deletionTimestamp" in stored.metadata:
                sandbox.store.remove(core.PODS, *stored.key)
        sandbox.controllers.reconcile()


def no_more_pods(sandbox: KubernetesSandbox) -> None:
    with sandbox.store.lock:
        for kind in ("deployments.apps", "replicasets.apps", "pods"):
            for obj in sandbox.read_all(kind, NAMESPACE):
                sandbox.remove(kind, obj["metadata"]["name"], NAMESPACE)


def terminating_namespace(sandbox: KubernetesSandbox) -> None:
    namespace = sandbox.add_namespace("term")
    metadata = {
        **namespace["metadata"],
        "deletionTimestamp": namespace["metadata"]["creationTimestamp"],
    }
    ending = {**namespace, "metadata": metadata, "status": {"phase": "Terminating"}}
    sandbox.store.put(core.NAMESPACES, ending)
    sandbox.controllers.reconcile()


def compact(sandbox: KubernetesSandbox) -> None:
    sandbox.touch("configmaps", "dup", NAMESPACE)
    sandbox.store.compact()


def anonymous(allowed: bool) -> Arrangement:
    return lambda sandbox: setattr(sandbox.access, "anonymous", allowed)


_PORTS = {"ports": [{"port": 80}]}

BEFORE: dict[str, list[Arrangement]] = {
    "01_discovery#1": [
        config_map("kube-root-ca.crt", annotations={"kubernetes.io/description": "CA"}),
        config_map("openshift-service-ca.crt", annotations={"kubernetes.io/description": "CA"}),
    ],
    "03_auth#28": [
        lambda sandbox: sandbox.access.allow("restricted", [rule("get list", "pods", NAMESPACE)])
    ],
    "04_pagination#1": [config_map(f"page-{number}", labels={"page": "y"}) for number in range(5)],
    "04_pagination#5": [config_map("page-9"), gone("configmaps", "page-3")],
    "06_scale#1": [
        deployment("sc"),
        of_kind(apps.STATEFUL_SETS, "scs", spec={**workload("scs")["spec"], "serviceName": "scs"}),
        of_kind(apps.REPLICA_SETS, "scr", spec=workload("scr")["spec"]),
        replication_controller,
    ],
    "08_delete#1": [config_map("d1"), config_map("d2"), config_map("d3")],
    "08_delete#3": [of_kind(core.SECRETS, "d1")],
    "08_delete#5": [of_kind(core.SERVICES, "d1", spec=dict(_PORTS))],
    "08_delete#7": [pod("d1", labels={"a": "b"})],
    "08_delete#9": [of_kind(core.SERVICE_ACCOUNTS, "d1")],
    "08_delete#11": [deployment("d1", 0)],
    "08_delete#13": [lambda sandbox: sandbox.add_namespace("d1")],
    "08_delete#19": [of_kind(core.NODES, "d1")],
    "08_delete#21": [of_kind(gateway_api.HTTP_ROUTES, "d1", spec={})],
    "08_delete#32": [config_map("fin", finalizers=["example.com/x"])],
    "08_delete#37": [deployment("dp")],
    "08_delete#41": [deployment("dp")],
    "08_delete#45": [deployment("dp")],
    "08_delete#49": [
        *(config_map(f"c{number}", labels={"del": "y"}) for number in range(2)),
        *(pod(f"c{number}", labels={"del": "y"}) for number in range(2)),
    ],
    "08_delete#55": [pod("sched", labels={"a": "b"}), bind("sched", "n1")],
    "08_delete#59": [terminating_namespace],
    "10_patch#1": [deployment("pt")],
    "11_formats#1": [no_more_pods, pod("fmt", labels={"a": "b"})],
    "11_formats#21": [gone("replicationcontrollers", "rc")],
    "12_pods#1": [no_more_pods],
    "14_workloads#1": [no_more_pods],
    "14_workloads#5": [run_pods("wl")],
    "14_workloads#15": [run_pods("wl"), run_pods("wl"), run_pods("wl")],
    "14_workloads#25": [run_pods("ss"), run_pods("ss")],
    "16_nodes_endpoints#6": [deployment("ep", 2), run_pods("ep", node=True)],
    "16_nodes_endpoints#11": [reap],
    "18_expired_410#1": [compact],
    "19_anonymous_off#1": [anonymous(False)],
    "21_admission_denials#1": [anonymous(True)],
}
