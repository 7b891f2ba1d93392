"""The rights in deploy/kubernetes/rbac.yaml, and at least one use of each operation."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from contracts import api
from contracts.operation import Operation
from deploy.sandbox.kubernetes import gateway_api, roles
from deploy.sandbox.kubernetes.calls import Call
from deploy.sandbox.kubernetes.paths import parse
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.examples import plan, workload
from tests.kubernetes import manifests
from worker.providers.k8s.kinds import KINDS

SHOP, IDLE = "shop", "idle"
"""Namespaces: one with an application, one with everything scaled to zero."""
CREATED = 201


class Right(NamedTuple):
    """A verb on a resource such as `deployments.apps`."""

    verb: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def role_rights() -> list[Right]:
    """Return the rights that the shipped Role grants."""
    return [
        Right(verb, resource)
        for rule in roles.shipped()
        for resource in sorted(rule.resources)
        for verb in sorted(rule.verbs)
    ]


def used(calls: Iterable[Call]) -> set[Right]:
    """Return the rights that a user needs for these requests."""
    found = set()
    for call in calls:
        target = parse(call.path, call.method)
        resource = f"{target.resource}.{target.group}".rstrip(".")
        found.add(Right(target.verb, resource))
        # Server-side apply of an absent object needs two rights.
        if call.method == "PATCH" and call.status == CREATED:
            found.add(Right("create", resource))
    return found


def populate(cluster: KubernetesSandbox) -> None:
    """Add a controller of each kind to both namespaces, a Service, Gateway and routes to one."""
    cluster.reset()
    for namespace, replicas in ((SHOP, 1), (IDLE, 0)):
        cluster.add_namespace(namespace, team="shop")
        cluster.add_deployment("deployment", namespace, replicas=replicas)
        cluster.add_stateful_set("statefulset", namespace, replicas=replicas)
        cluster.add_replica_set("replicaset", namespace, replicas=replicas)
        cluster.add_replication_controller("replicationcontroller", namespace, replicas=replicas)
    # A second Deployment, so that enough owners exist for one list instead of single reads.
    cluster.add_deployment("deployment-2", SHOP)
    cluster.add_service("web", SHOP, {"app": "web"})
    by_labels = {"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deployment"}
    cluster.add_autoscaler("deployment", owner, SHOP)
    elsewhere = {"from": "Selector", "selector": {"matchLabels": {"team": "other"}}}
    cluster.add_gateway(
        "other", SHOP, listeners=[listener | {"allowedRoutes": {"namespaces": elsewhere}}]
    )
    cluster.add_gateway(
        "public", SHOP, listeners=[listener | {"allowedRoutes": {"namespaces": by_labels}}]
    )
    for name in ("read", "deleted"):
        cluster.add(gateway_api.HTTP_ROUTES, manifests.route(name, metadata=metadata(name)))


def metadata(name: str) -> dict[str, str]:
    return {"name": name, "namespace": SHOP}


def operations(cluster: KubernetesSandbox) -> dict[str, list[Operation[Any]]]:
    """Return uses of each operation by name; later uses need the results of earlier ones."""
    pods = [pod["metadata"]["name"] for pod in cluster.read_all("pods", SHOP)]
    pod = next(name for name in pods if name.startswith("deployment-"))
    rules = plan("web")["rules"]
    rules[0]["backend"]["serviceName"] = "web"
    pull = {"registry": "r.example", "username": "u", "password": "p"}
    route = manifests.route("new", "web")
    return {
        "get_machine": [api.GetMachine(SHOP, pod)],
        "get_machines": [api.GetMachines(SHOP)],
        "set_machine_labels": [api.SetMachineLabels(SHOP, pod, {"a": "b"})],
        "get_controllers": [
            api.GetControllers(SHOP),
            api.GetControllers(IDLE),
            api.GetControllers(SHOP, pod),
        ],
        "get_controller": [api.GetController(SHOP, kind.name.lower(), kind.name) for kind in KINDS],
        "update_controller_replicas": [
            api.UpdateControllerReplicas(SHOP, kind.name.lower(), 2, kind.name) for kind in KINDS
        ],
        "apply_controller": [
            api.ApplyController(SHOP, manifests.workload_of_kind(kind.name, "new", replicas))
            for kind in KINDS
            for replicas in (0, 1)
        ],
        "get_services_by_labels": [api.GetServicesByLabels(SHOP, {"app": "web"})],
        "apply_service": [
            api.ApplyService(SHOP, manifests.service("new", *ports)) for ports in ((80,), (81,))
        ],
        "apply_secret": [api.ApplySecret(SHOP, manifests.secret()) for _ in range(2)],
        "list_gateways": [api.ListGateways(SHOP)],
        "apply_http_route": [api.ApplyHttpRoute(SHOP, route) for _ in range(2)],
        "get_http_route": [api.GetHttpRoute(SHOP, "read")],
        "delete_http_route": [api.DeleteHttpRoute(SHOP, "deleted")],
        "apply_workload": [api.ApplyWorkload(SHOP, workload(pullSecret=pull)) for _ in range(2)],
        "apply_route_plan": [
            *(api.ApplyRoutePlan(SHOP, plan("web", rules=rules)) for _ in range(2)),
            api.GetHttpRoute(SHOP, "web"),
        ],
        "delete_service": [api.DeleteService(SHOP, "web")],
        "delete_controller": [
            api.DeleteController(SHOP, kind.name.lower(), kind.name) for kind in KINDS
        ],
    }
