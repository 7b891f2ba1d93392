"""Requests of other clients of the API server, each with its own field manager."""

import json
from typing import Any

from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.server import KubernetesSandbox

Json = dict[str, Any]


def ask(
    cluster: KubernetesSandbox,
    method: str,
    path: str,
    body: Json | None = None,
    by: str = "kubectl-edit",
) -> Answer:
    """Send one request."""
    kind = "json" if method == "POST" else "merge-patch+json"
    headers = {
        "authorization": f"Bearer {cluster.token}",
        "content-type": f"application/{kind}",
    }
    content = b"" if body is None else json.dumps(body).encode()
    answer = cluster.answer(Request(method, path, f"fieldManager={by}", headers, content))
    if not isinstance(answer, Answer):
        raise TypeError("expected a response, got a watch")
    return answer


def path_of(resource: str, name: str, namespace: str = "default") -> str:
    """Return the path of an object of a resource such as `deployments.apps`."""
    plural, _, group = resource.partition(".")
    root = f"/apis/{group}/v1" if group else "/api/v1"
    return f"{root}/namespaces/{namespace}/{plural}/{name}"


def patch(cluster: KubernetesSandbox, resource: str, name: str, body: Json, by: str) -> None:
    """Change an object by a merge patch."""
    answer = ask(cluster, "PATCH", path_of(resource, name), body, by)
    if answer.status != 200:
        raise AssertionError(answer.body.decode())
