"""Robustness: the sandbox answers every manifest."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.server import KubernetesSandbox

JUNK: list[Any] = [None, -1, 1.5, True, "", "x", [], {}, [None], [{}], {"a": None}, 2**40]
_POD = {
    "metadata": {"labels": {"app": "z"}},
    "spec": {
        "containers": [
            {"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A"}]}
        ]
    },
}
_SELECTOR = {
    "matchLabels": {"app": "z"},
    "matchExpressions": [{"key": "app", "operator": "In", "values": ["z"]}],
}
_ROUTE = {
    "parentRefs": [{"name": "public"}],
    "hostnames": ["a.example.com"],
    "rules": [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": "s", "port": 80, "weight": 1}],
        }
    ],
}
_LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
_GATEWAY_API = "gateway.networking.k8s.io/v1"
MANIFESTS: dict[str, dict[str, Any]] = {
    "/apis/apps/v1/namespaces/default/deployments": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 1, "selector": _SELECTOR, "template": _POD},
    },
    "/apis/apps/v1/namespaces/default/statefulsets": {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "spec": {"replicas": 1, "selector": _SELECTOR, "template": _POD, "serviceName": "z"},
    },
    "/api/v1/namespaces/default/replicationcontrollers": {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "spec": {"replicas": 1, "selector": {"app": "z"}, "template": _POD},
    },
    "/api/v1/namespaces/default/services": {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {"selector": {"app": "z"}, "ports": [{"port": 80, "targetPort": 80}]},
    },
    "/api/v1/namespaces/default/secrets": {
        "apiVersion": "v1",
        "kind": "Secret",
        "stringData": {"a": "b"},
        "data": {"c": "ZA=="},
    },
    f"/apis/{_GATEWAY_API}/namespaces/default/httproutes": {
        "apiVersion": _GATEWAY_API,
        "kind": "HTTPRoute",
        "spec": _ROUTE,
    },
    f"/apis/{_GATEWAY_API}/namespaces/default/gateways": {
        "apiVersion": _GATEWAY_API,
        "kind": "Gateway",
        "spec": {"gatewayClassName": "x", "listeners": [_LISTENER]},
    },
}


def spoiled(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the manifest with each field in turn replaced by each invalid value."""
    for path in list(places(manifest)):
        for junk in JUNK:
            copied = copy.deepcopy(manifest)
            parent: Any = copied
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = copy.deepcopy(junk)
            yield copied


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for name, item in [*items, *enumerate(value if isinstance(value, list) else ())]:
        yield from places(item, (*path, name))


@pytest.mark.parametrize("path", MANIFESTS)
def test_every_invalid_manifest_is_answered(path: str) -> None:
    sandbox = KubernetesSandbox()
    metadata = {"name": "z", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    manifest = {**MANIFESTS[path], "metadata": metadata}

    def send(method: str, place: str, media_type: str, body: Any, query: str = "") -> int:
        headers = {"authorization": f"Bearer {sandbox.token}", "content-type": media_type}
        answer = sandbox.answer(Request(method, place, query, headers, json.dumps(body).encode()))
        assert isinstance(answer, Answer)
        return answer.status

    statuses = set()
    for body in spoiled(manifest):
        statuses.add(send("POST", path, "application/json", body))
        applied = "application/apply-patch+yaml"
        statuses.add(send("PATCH", f"{path}/z", applied, body, "fieldManager=m&force=true"))
        statuses.add(send("PATCH", f"{path}/z", "application/merge-patch+json", body))
        statuses.add(send("DELETE", f"{path}/z", "application/json", None))

    assert {200, 201, 422} <= statuses
