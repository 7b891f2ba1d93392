"""What is on the platforms that the bench asks, and the requests that it makes."""

import json
from typing import Any

MEMORY = "memory"
KUBERNETES = "k8s"
SCOPE = "default"
MACHINES = [f"bench-{number}" for number in range(2048)]
"""More than a web framework is likely to remember the paths of."""
CONTROLLERS = [f"bench-{number}" for number in range(64)]
SHARE = 32
REPLICAS = (1, 2)
MERGE_PATCH = "application/merge-patch+json"


def manifest(name: str) -> dict[str, Any]:
    """A controller of one machine."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {"replicas": 1},
    }


def queries(provider: str, machines: list[str]) -> list[list[str]]:
    """To read one machine after another: each connection has machines of its own."""
    targets = [_http("GET", f"/{provider}/machines/{SCOPE}/{machine}") for machine in machines]
    return [targets[first : first + SHARE] for first in range(0, len(targets), SHARE)]


def commands(provider: str) -> list[list[str]]:
    """To scale: each connection has a controller of its own, to and fro."""
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
"""What the provider sends for the same: method, path and bodies."""


def _http(method: str, target: str, body: Any = None) -> str:
    lines = [f"{method} {target} HTTP/1.1", "host: gateway.test", "accept: application/json"]
    content = "" if body is None else json.dumps(body)
    if content:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", content])
