"""Translate the neutral workload to Secret, Deployment and Service; pure."""

import base64

import msgspec

from contracts.faults import Code, Fault
from contracts.neutral import workload as neutral
from contracts.neutral.workload import INSTANCE, HealthCheck, Workload
from contracts.resources import Object
from worker.providers.k8s import names

INSTANCE_ID = "PLT_INSTANCE_ID"


def read(specification: Object) -> Workload:
    """Decode a workload, and refuse values that Kubernetes would refuse later."""
    workload = neutral.read(specification)
    names.service_name(workload.name, "workload.name")
    if workload.labels.get(INSTANCE, workload.name) != workload.name:
        raise Fault(
            Code.INVALID,
            f"workload.labels.{INSTANCE}: expected the workload's name, which selects its machines",
        )
    names.labels(workload.labels, "workload.labels")
    return workload


def pull_secret(workload: Workload) -> Object | None:
    """Return the image pull Secret, None if the workload has none."""
    secret = workload.pull_secret
    if secret is None:
        return None
    proof = base64.b64encode(f"{secret.username}:{secret.password}".encode()).decode()
    entry = {"username": secret.username, "password": secret.password, "auth": proof}
    config = msgspec.json.encode({"auths": {secret.registry: entry}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _pull_name(workload), "labels": neutral.labels(workload)},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config).decode()},
    }


def _pull_name(workload: Workload) -> str:
    return f"{workload.name}-pull"


def service(workload: Workload) -> Object:
    """Return the Service of a workload, with the application's port first."""
    ports = {"app": workload.ports.app, "metrics": workload.ports.metrics}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": workload.name, "labels": neutral.labels(workload)},
        "spec": {
            "type": "ClusterIP",
            "selector": {INSTANCE: workload.name},
            "ports": [
                {"name": name, "protocol": "TCP", "port": port, "targetPort": name}
                for name, port in ports.items()
            ],
        },
    }


def initial(workload: Workload) -> Object:
    """Return the spec fields of a new Deployment that later updates do not reset."""
    return {"replicas": neutral.first_size(workload)}


def deployment(workload: Workload) -> Object:
    """Return the Deployment without replicas, which the last scaling determines."""
    pod: Object = {"containers": [_container(workload)]}
    if workload.pull_secret is not None:
        pod["imagePullSecrets"] = [{"name": _pull_name(workload)}]
    scraping = {"scrape": "true", "port": str(workload.ports.metrics)}
    annotations = {f"prometheus.io/{key}": value for key, value in scraping.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "labels": neutral.controller_labels(workload)},
        "spec": {
            "selector": {"matchLabels": {INSTANCE: workload.name}},
            "template": {
                "metadata": {
                    "labels": neutral.machine_labels(workload),
                    "annotations": annotations,
                },
                "spec": pod,
            },
        },
    }


def _container(workload: Workload) -> Object:
    ports = {"app": workload.ports.app, "metrics": workload.ports.metrics}
    container: Object = {
        "name": workload.name,
        "image": workload.image,
        "imagePullPolicy": "Always",
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()
        ],
        "env": _environment(workload),
    }
    if workload.resources is not None:
        container["resources"] = msgspec.to_builtins(workload.resources)
    if workload.health_check is not None:
        container |= _probes(workload.health_check)
    return container


def _environment(workload: Workload) -> list[Object]:
    values = neutral.variables(workload)
    own = {"fieldRef": {"fieldPath": "metadata.name"}}
    given: list[Object] = [
        {"name": name, "value": literal(value)} for name, value in values.items()
    ]
    if INSTANCE_ID in values:
        return given
    return [*given, {"name": INSTANCE_ID, "valueFrom": own}]


def literal(value: str) -> str:
    """Return a variable's value, escaped so that the container receives it unchanged.

    Kubernetes replaces `$(NAME)` by another variable, and `$$` by `$`.
    """
    return value.replace("$", "$$")


def _probes(check: HealthCheck) -> Object:
    ready = {"path": check.ready_path, "port": check.port, "scheme": "HTTP"}
    live = ready | {"path": check.live_path}
    return {
        "readinessProbe": {"httpGet": ready, "periodSeconds": 15, "failureThreshold": 5},
        "livenessProbe": {"httpGet": live, "periodSeconds": 2, "failureThreshold": 5},
        "startupProbe": {
            "httpGet": ready,
            "initialDelaySeconds": 5,
            "periodSeconds": 3,
            "failureThreshold": 15,
        },
    }
