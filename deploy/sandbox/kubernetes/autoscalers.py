"""HorizontalPodAutoscalers (autoscaling/v2), as `kubectl autoscale` and KEDA create them."""

from deploy.sandbox.kubernetes.kinds import Cause, Kind, Listed, Object, required
from deploy.sandbox.kubernetes.schema import STATUS, object_type, struct

_SPEC = struct(
    "HorizontalPodAutoscalerSpec",
    scaleTargetRef=struct("CrossVersionObjectReference", "kind name apiVersion"),
    minReplicas="int32",
    maxReplicas="int32",
    metrics=Listed("object"),
    behavior="object",
)


def _defaults(autoscaler: Object) -> None:
    autoscaler.setdefault("spec", {}).setdefault("minReplicas", 1)
    autoscaler.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})


def _causes(autoscaler: Object) -> list[Cause]:
    spec = autoscaler["spec"]
    target = spec.get("scaleTargetRef") or {}
    causes = [
        required(f"spec.scaleTargetRef.{field}")
        for field in ("kind", "name")
        if not target.get(field)
    ]
    return causes if spec.get("maxReplicas") else [*causes, required("spec.maxReplicas")]


AUTOSCALERS = Kind(
    "autoscaling",
    ("v2",),
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    short_names=("hpa",),
    has_status=True,
    declared=object_type("HorizontalPodAutoscaler", spec=_SPEC, status=STATUS),
    defaults=_defaults,
    validate=_causes,
)
KINDS = (AUTOSCALERS,)
