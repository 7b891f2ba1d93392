"""The group apps (v1): Deployments, ReplicaSets and StatefulSets, their defaults and checks."""

import json
from typing import Any

from deploy.sandbox.kubernetes.kinds import (
    Cause,
    Kind,
    Listed,
    Mapped,
    Object,
    forbidden,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.pod_specs import (
    TEMPLATE,
    default_pod_spec,
    pod_spec_causes,
    replicas_causes,
)
from deploy.sandbox.kubernetes.schema import STATUS, object_type, struct
from deploy.sandbox.kubernetes.selectors import OPERATORS, selects
from deploy.sandbox.kubernetes.statuses import quoted

_REQUIREMENT = struct("LabelSelectorRequirement", "key operator", values=Listed("string"))
_SELECTOR = struct(
    "LabelSelector", matchLabels=Mapped("string"), matchExpressions=Listed(_REQUIREMENT)
)
_DEPLOYMENT_SPEC = struct(
    "DeploymentSpec",
    **dict.fromkeys(("replicas", "minReadySeconds", "revisionHistoryLimit"), "int32"),
    progressDeadlineSeconds="int32",
    selector=_SELECTOR,
    template=TEMPLATE,
    strategy=struct("DeploymentStrategy", "type", rollingUpdate="object"),
    paused="bool",
)
_REPLICA_SET_SPEC = struct(
    "ReplicaSetSpec",
    replicas="int32",
    minReadySeconds="int32",
    selector=_SELECTOR,
    template=TEMPLATE,
)
_STATEFUL_SET_SPEC = struct(
    "StatefulSetSpec",
    "serviceName podManagementPolicy",
    **dict.fromkeys(("replicas", "minReadySeconds", "revisionHistoryLimit"), "int32"),
    selector=_SELECTOR,
    template=TEMPLATE,
    volumeClaimTemplates=Listed("any"),
    updateStrategy=struct("StatefulSetUpdateStrategy", "type", rollingUpdate="object"),
    persistentVolumeClaimRetentionPolicy="any",
    ordinals="any",
)


def _default_workload(workload: Object) -> Object:
    spec: Object = workload.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    return spec


def _default_deployment(deployment: Object) -> None:
    spec = _default_workload(deployment)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    deployment.setdefault("status", {})


def _default_replica_set(replica_set: Object) -> None:
    _default_workload(replica_set)
    replica_set.setdefault("status", {"replicas": 0})


def _default_stateful_set(stateful_set: Object) -> None:
    spec = _default_workload(stateful_set)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
    if strategy.get("type") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {"partition": 0})
    spec.setdefault("revisionHistoryLimit", 10)
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    spec.setdefault("persistentVolumeClaimRetentionPolicy", retention)
    stateful_set.setdefault("status", {"replicas": 0, "availableReplicas": 0})


def _workload_causes(workload: Object) -> list[Cause]:
    spec = workload["spec"]
    selector = spec.get("selector")
    labels = (spec["template"].get("metadata") or {}).get("labels")
    causes = replicas_causes(spec)
    if not selector:
        causes.append(required("spec.selector"))
    for number, term in enumerate((selector or {}).get("matchExpressions") or ()):
        if term.get("operator") not in OPERATORS:
            at = f"spec.selector.matchExpressions[{number}].operator"
            value = quoted(term.get("operator") or "")
            causes.append(invalid_value(at, value, "not a valid selector operator"))
    if not selects(selector, labels or {}):
        why = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", _compact(labels), why))
    return causes + pod_spec_causes(spec["template"]["spec"], "spec.template.spec")


def _selector_change_causes(before: Object, after: Object) -> list[Cause]:
    if before["spec"].get("selector") == after["spec"].get("selector"):
        return []
    value = _compact(after["spec"].get("selector"))
    return [invalid_value("spec.selector", value, "field is immutable")]


_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _stateful_set_change_causes(before: Object, after: Object) -> list[Cause]:
    fixed = [
        {name: value for name, value in each["spec"].items() if name not in _CHANGEABLE}
        for each in (before, after)
    ]
    if fixed[0] == fixed[1]:
        return []
    listed = ", ".join(f"'{name}'" for name in _CHANGEABLE[:-1])
    why = f"updates to statefulset spec for fields other than {listed} and 'minReadySeconds'"
    return [forbidden("spec", f"{why} are forbidden")]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


DEPLOYMENTS = Kind(
    "apps",
    ("v1",),
    "Deployment",
    "deployments",
    short_names=("deploy",),
    scalable=True,
    has_status=True,
    counts_generations=True,
    declared=object_type("Deployment", spec=_DEPLOYMENT_SPEC, status=STATUS),
    defaults=_default_deployment,
    validate=_workload_causes,
    validate_change=_selector_change_causes,
)
REPLICA_SETS = Kind(
    "apps",
    ("v1",),
    "ReplicaSet",
    "replicasets",
    short_names=("rs",),
    scalable=True,
    has_status=True,
    counts_generations=True,
    selectable=("status.replicas",),
    declared=object_type("ReplicaSet", spec=_REPLICA_SET_SPEC, status=STATUS),
    defaults=_default_replica_set,
    validate=_workload_causes,
    validate_change=_selector_change_causes,
)
STATEFUL_SETS = Kind(
    "apps",
    ("v1",),
    "StatefulSet",
    "statefulsets",
    short_names=("sts",),
    scalable=True,
    has_status=True,
    counts_generations=True,
    declared=object_type("StatefulSet", spec=_STATEFUL_SET_SPEC, status=STATUS),
    defaults=_default_stateful_set,
    validate=_workload_causes,
    validate_change=_stateful_set_change_causes,
)
KINDS = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)
