"""Kubernetes objects as JSON with valid defaults, for tests to override."""

from typing import Any

Json = dict[str, Any]


def owner(kind: str, name: str, uid: str = "", api_version: str = "apps/v1") -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid or f"uid-of-{name}",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(name: str, owners: list[Json] | None = None, **more: Any) -> Json:
    known = {"name": name, "uid": f"uid-of-{name}", "namespace": "default"}
    return known | ({"ownerReferences": owners} if owners else {}) | more


def pod(name: str = "web-1", *owners: Json, **more: Any) -> Json:
    labels = {"app": "web"}
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
    }
    status = {
        "phase": "Running",
        "startTime": "2026-11-22T17:20:50Z",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": "app", "imageID": "registry.example/app@sha256:0123456789abcdef"}
        ],
    }
    found = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": metadata(name, list(owners), labels=labels),
        "spec": {"containers": [container]},
        "status": status,
    }
    return found | more


def workload(kind: str, name: str, *owners: Json, **more: Any) -> Json:
    found = {
        "kind": kind,
        "apiVersion": "v1" if kind == "ReplicationController" else "apps/v1",
        "metadata": metadata(name, list(owners), labels={"app": name}),
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}},
        "status": {"replicas": 2},
    }
    return found | more
