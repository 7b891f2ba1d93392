"""The workload that every platform understands, as Secret, Deployment and Service; pure."""

import base64
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from contracts.faults import Code, Fault
from contracts.resources import Object
from contracts.validation import checked
from worker.providers.k8s import names

Text = Annotated[str, Meta(min_length=1)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0, le=150_000)]

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
VERSION = "plt.dev/version"
INSTANCE_ID = "PLT_INSTANCE_ID"


class Part(Struct, frozen=True, rename="camel"):
    """A piece of the specification; what we do not know of it belongs to other platforms."""


class PullSecret(Part, frozen=True):
    """What an image registry wants to see."""

    registry: Text
    username: str
    password: str


class Ports(Part, frozen=True):
    """Where the application and its metrics are served."""

    app: PortNumber = 3042
    metrics: PortNumber = 9090


class Amounts(Part, frozen=True):
    """Kubernetes' quantities of cpu and memory."""

    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class HealthCheck(Part, frozen=True):
    """Where the application says how it is."""

    ready_path: str = "/"
    live_path: str = "/status"
    port: Literal["app", "metrics"] = "app"


class Variable(Part, frozen=True):
    """One variable of the environment."""

    name: Text
    value: str


class Workload(Part, frozen=True):
    """An application in one version."""

    name: str
    image: Text
    app_name: str | None = None
    version: str | None = None
    hostname: str | None = None
    is_workflow: bool = False
    min_replicas: Count | None = None
    max_replicas: Count | None = None
    pull_secret: PullSecret | None = None
    ports: Ports = Ports()
    resources: Amounts | None = None
    health_check: HealthCheck | None = None
    env: list[Variable] = []
    platform_env: list[Variable] = []
    labels: dict[str, str] = {}


def read(specification: Object) -> Workload:
    """The workload, with all that Kubernetes would refuse later refused now."""
    given = {key: value for key, value in specification.items() if value is not None}
    workload: Workload = checked(given, Workload, "workload", secret=True)
    names.service_name(workload.name, "workload.name")
    if workload.ports.app == workload.ports.metrics:
        raise Fault(Code.INVALID, "workload.ports: expected two different ports")
    if workload.labels.get(INSTANCE, workload.name) != workload.name:
        raise Fault(
            Code.INVALID,
            f"workload.labels.{INSTANCE}: expected the workload's name, by which its machines are "
            "told from others",
        )
    names.labels(pod_labels(workload), "workload.labels")
    return workload


def labels(workload: Workload) -> dict[str, str]:
    """The labels of everything that a workload consists of."""
    own = {NAME: workload.app_name or workload.name, INSTANCE: workload.name}
    if workload.version is not None:
        own[VERSION] = workload.version
    if workload.is_workflow:
        own["plt.dev/workflow"] = "true"
    return own | workload.labels


def _controller_labels(workload: Workload) -> dict[str, str]:
    bounds = {"min": workload.min_replicas, "max": workload.max_replicas}
    scaling = {
        f"icc.platformatic.dev/scaler-{end}": str(bound)
        for end, bound in bounds.items()
        if bound is not None
    }
    return scaling | labels(workload)


def pod_labels(workload: Workload) -> dict[str, str]:
    """The labels of its machines."""
    own = {"platformatic.dev/monitor": "prometheus"}
    if workload.hostname:
        own["plt.dev/hostname"] = workload.hostname
    return own | _controller_labels(workload)


def pull_secret(workload: Workload) -> Object | None:
    """The Secret with which the image is pulled, None where none is needed."""
    secret = workload.pull_secret
    if secret is None:
        return None
    proof = base64.b64encode(f"{secret.username}:{secret.password}".encode()).decode()
    entry = {"username": secret.username, "password": secret.password, "auth": proof}
    config = msgspec.json.encode({"auths": {secret.registry: entry}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _pull_name(workload), "labels": labels(workload)},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config).decode()},
    }


def _pull_name(workload: Workload) -> str:
    return f"{workload.name}-pull"


def service(workload: Workload) -> Object:
    """The Service that its machines are reached at: the application's port is the first."""
    ports = {"app": workload.ports.app, "metrics": workload.ports.metrics}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": workload.name, "labels": labels(workload)},
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
    """What a new Deployment begins with and nobody resets later."""
    return {"replicas": 1 if workload.min_replicas is None else workload.min_replicas}


def deployment(workload: Workload) -> Object:
    """The Deployment, without a number of replicas: whoever scaled it decides about that."""
    pod: Object = {"containers": [_container(workload)]}
    if workload.pull_secret is not None:
        pod["imagePullSecrets"] = [{"name": _pull_name(workload)}]
    scraping = {"scrape": "true", "port": str(workload.ports.metrics)}
    annotations = {f"prometheus.io/{key}": value for key, value in scraping.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "labels": _controller_labels(workload)},
        "spec": {
            "selector": {"matchLabels": {INSTANCE: workload.name}},
            "template": {
                "metadata": {"labels": pod_labels(workload), "annotations": annotations},
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
    """The variables, of those with one name the last, as in a shell."""
    values = {each.name: each.value for each in [*workload.env, *workload.platform_env]}
    own = {"fieldRef": {"fieldPath": "metadata.name"}}
    given: list[Object] = [{"name": name, "value": value} for name, value in values.items()]
    if INSTANCE_ID in values:
        return given
    return [*given, {"name": INSTANCE_ID, "valueFrom": own}]


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
