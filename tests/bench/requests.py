"""The machines and controllers on the platform in memory, and the text of requests."""

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
HINTS = "kind=Deployment&apiVersion=apps/v1"
MERGE_PATCH = "application/merge-patch+json"


def manifest(name: str) -> dict[str, Any]:
    """Return the manifest of a Deployment with one replica."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"replicas": 1},
    }


def queries(provider: str, machines: list[str], scope: str = SCOPE) -> list[list[str]]:
    """Return queries of one machine each; every connection has its own machines."""
    targets = [http("GET", f"/{provider}/machines/{scope}/{machine}") for machine in machines]
    return [targets[first : first + SHARE] for first in range(0, len(targets), SHARE)]


def commands(
    provider: str, controllers: list[str] = CONTROLLERS, scope: str = SCOPE
) -> list[list[str]]:
    """Return scale commands up and down; every connection has its own controller."""
    return [
        [
            http("POST", f"/{provider}/controllers/{scope}/{name}?{HINTS}", {"replicas": replicas})
            for replicas in REPLICAS
        ]
        for name in controllers
    ]


def http(method: str, target: str, body: Any = None, media_type: str = "application/json") -> str:
    """Return the text of an HTTP request."""
    lines = [f"{method} {target} HTTP/1.1", "host: bench.test", "accept: application/json"]
    content = "" if body is None else json.dumps(body)
    if content:
        lines += [f"content-type: {media_type}", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", content])
