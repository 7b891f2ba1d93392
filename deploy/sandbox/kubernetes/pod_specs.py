"""Pod specs and templates: declared fields, defaults and checks."""

from typing import Any

from deploy.sandbox.kubernetes.kinds import (
    Cause,
    Listed,
    Mapped,
    Object,
    Struct,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.names import name_faults
from deploy.sandbox.kubernetes.schema import METADATA, struct
from deploy.sandbox.kubernetes.statuses import quoted

_PORT = struct("ContainerPort", "name protocol hostIP", containerPort="int32", hostPort="int32")
_RESOURCES = struct(
    "ResourceRequirements",
    limits=Mapped("number-or-string"),
    requests=Mapped("number-or-string"),
    claims="any",
)
_CONTAINER = struct(
    "Container",
    "name image workingDir terminationMessagePath terminationMessagePolicy imagePullPolicy "
    "restartPolicy",
    command=Listed("string"),
    args=Listed("string"),
    ports=Listed(_PORT),
    env=Listed(struct("EnvVar", "name value", valueFrom="any")),
    envFrom=Listed("object"),
    resources=_RESOURCES,
    volumeMounts=Listed("object"),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"), "any"),
    **dict.fromkeys(("securityContext", "volumeDevices", "resizePolicy"), "any"),
    **dict.fromkeys(("stdin", "stdinOnce", "tty"), "bool"),
)
POD_SPEC = struct(
    "PodSpec",
    "restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain "
    "schedulerName priorityClassName preemptionPolicy runtimeClassName",
    containers=Listed(_CONTAINER),
    initContainers=Listed(_CONTAINER),
    ephemeralContainers=Listed("object"),
    volumes=Listed("object"),
    nodeSelector=Mapped("string"),
    imagePullSecrets=Listed("object"),
    tolerations=Listed("object"),
    topologySpreadConstraints=Listed("any"),
    **dict.fromkeys(("terminationGracePeriodSeconds", "activeDeadlineSeconds"), "int64"),
    **dict.fromkeys(("priority",), "int32"),
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "hostUsers"), "bool"),
    **dict.fromkeys(("enableServiceLinks", "setHostnameAsFQDN"), "bool"),
    **dict.fromkeys(("automountServiceAccountToken", "shareProcessNamespace"), "bool"),
    **dict.fromkeys(("securityContext", "affinity", "hostAliases", "readinessGates"), "any"),
    **dict.fromkeys(("dnsConfig", "overhead", "os", "schedulingGates", "resourceClaims"), "any"),
)
TEMPLATE = Struct("PodTemplateSpec", {"metadata": METADATA, "spec": POD_SPEC})


def default_pod_spec(spec: Object) -> None:
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _default_container(container)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _default_container(container: Object) -> None:
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    resources = container.setdefault("resources", {})
    for part in ("limits", "requests"):
        if amounts := resources.get(part):
            # A quantity may be sent as a number and is returned as a string.
            resources[part] = {name: str(amount) for name, amount in amounts.items()}
    for name, amount in resources.get("limits", {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image") or ""))


def _pull_policy(image: str) -> str:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in {"", "latest"} else "IfNotPresent"


def pod_spec_causes(spec: Object, at: str) -> list[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        return [required(f"{at}.containers")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for position, container in enumerate(containers):
        where = f"{at}.containers[{position}]"
        causes += _container_causes(container, where, seen)
    return causes


def _container_causes(container: Object, where: str, seen: set[str]) -> list[Cause]:
    name = container.get("name") or ""
    causes = [] if name else [required(f"{where}.name")]
    if name:
        for why in name_faults(name, "label"):
            causes.append(invalid_value(f"{where}.name", quoted(name), why))
    if name in seen:
        causes.append(
            Cause(f"{where}.name", "FieldValueDuplicate", f"Duplicate value: {quoted(name)}")
        )
    seen.add(name)
    if not container.get("image"):
        causes.append(required(f"{where}.image"))
    for number, port in enumerate(container.get("ports") or ()):
        causes += port_causes(port.get("containerPort"), f"{where}.ports[{number}].containerPort")
    return causes


def port_causes(port: Any, where: str) -> list[Cause]:
    if port is None or port == 0:
        return [required(where)]
    if not 0 < port < 65536:
        return [invalid_value(where, str(port), "must be between 1 and 65535, inclusive")]
    return []


def replicas_causes(spec: Object) -> list[Cause]:
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        why = "must be greater than or equal to 0"
        return [invalid_value("spec.replicas", str(replicas), why)]
    return []
