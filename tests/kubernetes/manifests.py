"""Manifests of the intelligent-command-center, for tests to override."""

from typing import Any

Json = dict[str, Any]


def deployment(
    name: str = "web", replicas: int | None = None, image: str = "r.example/web:1", **more: Any
) -> Json:
    own = {"app.kubernetes.io/instance": name}
    container = {
        "name": name,
        "image": image,
        "ports": [{"name": "app", "containerPort": 3042, "protocol": "TCP"}],
        "env": [{"name": "FEATURE_X", "value": "on"}],
    }
    spec = {
        "selector": {"matchLabels": own},
        "template": {"metadata": {"labels": own}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": own},
        "spec": spec,
        **more,
    }


def workload_of_kind(kind: str, name: str = "web", replicas: int | None = None) -> Json:
    """Return the manifest of a workload of any kind of controller."""
    manifest = deployment(name, replicas, kind=kind)
    if kind == "ReplicationController":
        manifest["apiVersion"] = "v1"
        manifest["spec"]["selector"] = manifest["spec"]["selector"]["matchLabels"]
    if kind == "StatefulSet":
        manifest["spec"]["serviceName"] = name
    return manifest


def service(name: str = "web", *ports: int, **more: Any) -> Json:
    own = {"app.kubernetes.io/instance": name}
    listed = [
        {"name": f"p{port}", "protocol": "TCP", "port": port, "targetPort": port}
        for port in ports or (3042, 9090)
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": own},
        "spec": {"type": "ClusterIP", "selector": own, "ports": listed},
        **more,
    }


def secret(name: str = "pull", **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **more}


def route(name: str = "web", *services: str, **more: Any) -> Json:
    backends = services or (name,)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "labels": {"plt.dev/managed-by": "icc"}},
        "spec": {
            "parentRefs": [{"kind": "Gateway", "name": "gateway", "namespace": "default"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": each, "port": 3042}],
                }
                for each in backends
            ],
        },
        **more,
    }
