"""A run of all operations on a platform, with requests that serve as examples."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from contracts import api
from contracts.operation import Operation

Ask = Callable[[Operation[Any]], Awaitable[Any]]
"""Perform an operation and return its answer as JSON; None if the platform lacks it."""

APP = "hello"
OLD, NEW = f"{APP}-v1", f"{APP}-v2"
OWN = {"app.kubernetes.io/instance": "web"}
LABELS = {"app.kubernetes.io/name": APP}


def _pull_secret() -> dict[str, Any]:
    auths = {"auths": {"registry.example": {"username": "ci", "password": "secret"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "web-pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": data,
    }


def _deployment() -> dict[str, Any]:
    container = {
        "name": "web",
        "image": "registry.example/web:1",
        "ports": [{"name": "app", "containerPort": 3042}],
        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
    }
    pod = {"containers": [container], "imagePullSecrets": [{"name": "web-pull"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": OWN},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": OWN},
            "template": {"metadata": {"labels": OWN}, "spec": pod},
        },
    }


def _service() -> dict[str, Any]:
    ports = [{"name": "app", "port": 3042, "targetPort": "app"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": OWN},
        "spec": {"selector": OWN, "ports": ports},
    }


def _route(gateway: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {
            "parentRefs": [{"name": gateway}],
            "hostnames": ["web.example.org"],
            "rules": [{"backendRefs": [{"name": "web", "port": 3042}]}],
        },
    }


def workload(version: str) -> dict[str, Any]:
    """Return a workload with most of the possible fields."""
    return {
        "name": f"{APP}-{version}",
        "appName": APP,
        "version": version,
        "image": f"registry.example/hello:{version}",
        "minReplicas": 1,
        "ports": {"app": 3042, "metrics": 9090},
        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
        "healthCheck": {"readyPath": "/ready", "livePath": "/status", "port": "metrics"},
        "env": [{"name": "GREETING", "value": "hello"}],
        "labels": {"tier": "web"},
    }


def plan(**more: Any) -> dict[str, Any]:
    """Return a route plan that pins v1 by a header and sends all other requests to v2."""
    pin = {"kind": "header", "name": "x-deployment-id", "value": "v1"}
    rules = [
        {"match": pin, "backend": {"serviceName": OLD}, "versionId": "v1"},
        {"match": {"kind": "default"}, "backend": {"serviceName": NEW}, "versionId": "v2"},
    ]
    return {"appName": APP, "hostname": "hello.example.org", "generation": 7, "rules": rules} | more


async def run(scope: str, gateway: str, ask: Ask) -> None:
    """Perform every operation of the table."""
    await build(scope, gateway, ask)
    await remove(scope, ask)


async def build(scope: str, gateway: str, ask: Ask) -> None:
    """Perform all operations but deletions, in the order of their dependencies."""
    await ask(api.ApplySecret(scope, _pull_secret()))
    await ask(api.ApplyController(scope, _deployment()))
    await ask(api.ApplyService(scope, _service()))
    await ask(api.ListGateways(scope))
    await ask(api.ApplyHttpRoute(scope, _route(gateway)))
    for version in ("v1", "v2"):
        await ask(api.ApplyWorkload(scope, workload(version)))
    # A single machine, because the order of several machines is not stable.
    instance = LABELS | {"app.kubernetes.io/instance": NEW}
    [machine] = await ask(api.GetMachines(scope, instance))
    await ask(api.GetMachine(scope, machine["id"]))
    await ask(api.SetMachineLabels(scope, machine["id"], {"canary": "yes", "old": None}))
    await ask(api.GetControllers(scope, machine["id"]))
    await ask(api.GetController(scope, NEW))
    await ask(api.UpdateControllerReplicas(scope, NEW, 3))
    await ask(api.GetServicesByLabels(scope, LABELS | {"plt.dev/version": "v2"}))
    await ask(api.ApplyRoutePlan(scope, plan()))
    await ask(api.GetHttpRoute(scope, APP))


async def remove(scope: str, ask: Ask) -> None:
    """Perform the deletions."""
    await ask(api.DeleteHttpRoute(scope, APP))
    await ask(api.DeleteService(scope, OLD))
    await ask(api.DeleteController(scope, OLD))
