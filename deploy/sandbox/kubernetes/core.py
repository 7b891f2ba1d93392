"""The kinds of the core group (v1) that machinist uses, with their defaults and checks."""

import json

from deploy.sandbox.kubernetes import secret_data, services
from deploy.sandbox.kubernetes.kinds import (
    Cause,
    Kind,
    Mapped,
    Object,
    invalid_value,
    required,
)
from deploy.sandbox.kubernetes.pod_specs import (
    POD_SPEC,
    TEMPLATE,
    default_pod_spec,
    pod_spec_causes,
    replicas_causes,
)
from deploy.sandbox.kubernetes.schema import STATUS, object_type, struct
from deploy.sandbox.kubernetes.selectors import selects


def _default_pod(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("priority", 0)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    pod.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})


def _pod_causes(pod: Object) -> list[Cause]:
    return pod_spec_causes(pod.get("spec") or {}, "spec")


def _pod_change_causes(before: Object, after: Object) -> list[Cause]:
    if _without_mutable(before["spec"]) == _without_mutable(after["spec"]):
        return []
    why = (
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
        "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
        "set to 1 if it was previously negative)"
    )
    return [Cause("spec", "FieldValueForbidden", f"Forbidden: {why}")]


def _without_mutable(spec: Object) -> Object:
    free = {"activeDeadlineSeconds", "tolerations", "ephemeralContainers"}
    rest = {name: value for name, value in spec.items() if name not in free}
    for listed in ("containers", "initContainers"):
        if listed in rest:
            rest[listed] = [{k: v for k, v in c.items() if k != "image"} for c in rest[listed]]
    return rest


def _default_namespace(namespace: Object) -> None:
    labels = namespace["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = namespace["metadata"]["name"]
    namespace.setdefault("spec", {"finalizers": ["kubernetes"]})
    namespace.setdefault("status", {"phase": "Active"})


def _default_replication_controller(controller: Object) -> None:
    spec = controller.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.setdefault("template", {})
    default_pod_spec(template.setdefault("spec", {}))
    labels = template.setdefault("metadata", {}).get("labels") or {}
    spec.setdefault("selector", dict(labels))
    controller["metadata"].setdefault("labels", dict(labels))
    controller.setdefault("status", {"replicas": 0})


def _replication_controller_causes(controller: Object) -> list[Cause]:
    spec = controller["spec"]
    causes = replicas_causes(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if not spec.get("selector"):
        causes.append(required("spec.selector"))
    elif not selects(spec["selector"], labels or {}):
        why = "`selector` does not match template `labels`"
        written = json.dumps(labels, separators=(",", ":"))
        causes.append(invalid_value("spec.template.metadata.labels", written, why))
    return causes + pod_spec_causes(spec["template"]["spec"], "spec.template.spec")


_CONTROLLER_SPEC = struct(
    "ReplicationControllerSpec",
    replicas="int32",
    minReadySeconds="int32",
    selector=Mapped("string"),
    template=TEMPLATE,
)
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)

PODS = Kind(
    "",
    ("v1",),
    "Pod",
    "pods",
    short_names=("po",),
    has_status=True,
    counts_generations=True,
    deletion_answers_object=True,
    selectable=_POD_FIELDS,
    declared=object_type("Pod", spec=POD_SPEC, status=STATUS),
    defaults=_default_pod,
    validate=_pod_causes,
    validate_change=_pod_change_causes,
)
SERVICES = Kind(
    "",
    ("v1",),
    "Service",
    "services",
    short_names=("svc",),
    has_status=True,
    deletion_answers_object=True,
    selectable=("spec.clusterIP", "spec.type"),
    declared=object_type("Service", spec=services.SPEC, status=STATUS),
    defaults=services.defaults,
    validate=services.causes,
    validate_change=services.change_causes,
)
SECRETS = Kind(
    "",
    ("v1",),
    "Secret",
    "secrets",
    selectable=("type",),
    declared=object_type(
        "Secret",
        data=Mapped("string"),
        stringData=Mapped("string"),
        type="string",
        immutable="bool",
    ),
    defaults=secret_data.defaults,
    validate=secret_data.causes,
    validate_change=secret_data.change_causes,
)
CONFIG_MAPS = Kind(
    "",
    ("v1",),
    "ConfigMap",
    "configmaps",
    short_names=("cm",),
    declared=object_type("ConfigMap", data=Mapped("string"), binaryData="any", immutable="bool"),
)
NAMESPACES = Kind(
    "",
    ("v1",),
    "Namespace",
    "namespaces",
    namespaced=False,
    short_names=("ns",),
    has_status=True,
    has_finalize=True,
    deletion_answers_object=True,
    deletable_as_collection=False,
    selectable=("status.phase",),
    declared=object_type("Namespace", spec="object", status=STATUS),
    defaults=_default_namespace,
)
NODES = Kind(
    "",
    ("v1",),
    "Node",
    "nodes",
    namespaced=False,
    short_names=("no",),
    has_status=True,
    selectable=("spec.unschedulable",),
)
SERVICE_ACCOUNTS = Kind(
    "",
    ("v1",),
    "ServiceAccount",
    "serviceaccounts",
    short_names=("sa",),
    deletion_answers_object=True,
)
REPLICATION_CONTROLLERS = Kind(
    "",
    ("v1",),
    "ReplicationController",
    "replicationcontrollers",
    short_names=("rc",),
    # For compatibility, only this kind orphans its pods by default.
    orphans_by_default=True,
    scalable=True,
    has_status=True,
    counts_generations=True,
    selectable=("status.replicas",),
    declared=object_type("ReplicationController", spec=_CONTROLLER_SPEC, status=STATUS),
    defaults=_default_replication_controller,
    validate=_replication_controller_causes,
)
KINDS = (
    CONFIG_MAPS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICATION_CONTROLLERS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
