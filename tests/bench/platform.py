"""The machines and controllers on the benchmark's platforms, and its requests."""

import json
from typing import Any

MEMORY = "memory"
KUBERNETES = "k8s"
SCOPE = "default"
MACHINES = [f"bench-{number}" for number in range(2048)]
"""More paths than a web framework is likely to cache."""
CONTROLLERS = [f"bench-{number}" for number in range(64)]
SHARE = 32
REPLICAS = (1, 2)
MERGE_PATCH = "application/merge-patch+json"


def manifest(name: str) -> dict[str, Any]:
    """Return the manifest of a Deployment with one replica."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"replicas": 1},
    }


def queries(provider: str, machines: list[str]) -> list[list[str]]:
    """Return queries of one machine each; every connection has its own machines."""
    targets = [_http("GET", f"/{provider}/machines/{SCOPE}/{machine}") for machine in machines]
    return [targets[first : first + SHARE] for first in range(0, len(targets), SHARE)]


def commands(provider: str) -> list[list[str]]:
    """Return scale commands up and down; every connection has its own controller."""
    hints = "kind=Deployment&apiVersion=apps/v1"
    return [
        [
            _http("POST", f"/{provider}/controllers/{SCOPE}/{name}?{hints}", {"replicas": replicas})
            for replicas in REPLICAS
        ]
        for name in CONTROLLERS
    ]


DIRECT_QUERY = ("GET", f"/api/v1/namespaces/{SCOPE}/pods/{MACHINES[0]}", [""])
DIRECT_COMMAND = (
    "PATCH",
    f"/apis/apps/v1/namespaces/{SCOPE}/deployments/{CONTROLLERS[0]}",
    [json.dumps({"spec": {"replicas": replicas}}) for replicas in REPLICAS],
)
"""The equivalent requests of the provider: method, path and bodies."""


def _http(method: str, target: str, body: Any = None) -> str:
    lines = [f"{method} {target} HTTP/1.1", "host: gateway.test", "accept: application/json"]
    content = "" if body is None else json.dumps(body)
    if content:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", content])
