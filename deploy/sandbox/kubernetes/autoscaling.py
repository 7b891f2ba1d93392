"""The Scale subresource of a workload (autoscaling/v1): read, replaced, patched and applied."""

import msgspec

from deploy.sandbox.kubernetes.apply import apply
from deploy.sandbox.kubernetes.bodies import check_object, read_object
from deploy.sandbox.kubernetes.builders import now
from deploy.sandbox.kubernetes.kinds import Kind, Object
from deploy.sandbox.kubernetes.messages import Answer, json_answer
from deploy.sandbox.kubernetes.patching import APPLY, applied_body, is_forced, patched, unpatchable
from deploy.sandbox.kubernetes.pod_specs import replicas_causes
from deploy.sandbox.kubernetes.schema import STATUS, object_type, struct, type_mismatch
from deploy.sandbox.kubernetes.selectors import selector_text
from deploy.sandbox.kubernetes.statuses import invalid, not_found
from deploy.sandbox.kubernetes.store import Stored
from deploy.sandbox.kubernetes.writing import (
    Write,
    check_name,
    check_path,
    check_version,
    decoded,
    replace,
)

_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")

SCALES = Kind(
    "autoscaling",
    ("v1",),
    "Scale",
    "scales",
    declared=object_type("Scale", spec=struct("ScaleSpec", replicas="int32"), status=STATUS),
)


def scale_of(stored: Stored) -> Object:
    spec, status = stored.object["spec"], stored.object.get("status") or {}
    replicas = spec.get("replicas", 1)
    return {
        "kind": "Scale",
        "apiVersion": SCALES.api_version,
        "metadata": {k: stored.metadata[k] for k in _IDENTITY if k in stored.metadata},
        # Go omits a zero, so the spec of a stopped workload is empty.
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": selector_text(spec.get("selector")),
        },
    }


def wanted_replicas(scale: Object, name: str) -> int:
    """Return the replicas in the spec of a Scale; a missing number is zero."""
    spec = scale.get("spec") or {}
    replicas = int(spec.get("replicas") or 0)
    causes = replicas_causes({"replicas": replicas})
    if causes:
        raise invalid("Scale", "autoscaling", name, causes)
    return replicas


def _existing(write: Write) -> Stored:
    stored = write.store.get(write.kind, write.target.namespace, write.target.name)
    if stored is None:
        raise not_found(write.kind, write.target.name)
    return stored


def update_scale(write: Write) -> Answer:
    scale, warnings = read_object(write.request, SCALES, "v1")
    check_name(write, scale["metadata"])
    stored = _existing(write)
    check_version(write, stored, scale["metadata"].get("resourceVersion"))
    scaled = _rescale(write, stored, wanted_replicas(scale, write.target.name))
    return _answer(write, scaled, warnings)


def _rescale(
    write: Write, stored: Stored, replicas: int, managed: list[Object] | None = None
) -> Stored:
    obj = decoded(stored)
    obj["spec"]["replicas"] = replicas
    return replace(write, stored, obj, managed)


def _answer(write: Write, stored: Stored, warnings: list[str]) -> Answer:
    return json_answer(200, msgspec.json.encode(scale_of(stored)), warnings)


def patch_scale(write: Write) -> Answer:
    stored = _existing(write)
    if write.request.media_type == APPLY:
        return _apply_scale(write, stored, applied_body(write.request))
    scale = patched(write.request, scale_of(stored))
    fault = type_mismatch(scale, SCALES.declared) if SCALES.declared else None
    if fault is not None:
        raise unpatchable(scale, fault.message)
    check_path(write, scale["metadata"])
    check_version(write, stored, scale["metadata"].get("resourceVersion"))
    replicas = wanted_replicas(scale, write.target.name)
    return _answer(write, _rescale(write, stored, replicas), [])


def _apply_scale(write: Write, stored: Stored, given: Object) -> Answer:
    scale, _ = check_object(given, SCALES, "v1")
    check_path(write, scale["metadata"])
    replicas = wanted_replicas(scale, write.target.name)
    applied = apply(
        decoded(stored),
        {"metadata": {}, "spec": {"replicas": replicas}},
        write.request.manager,
        write.api_version,
        now(),
        force=is_forced(write.request),
        part="scale",
        shown_version="autoscaling/v1",
    )
    return _answer(write, _rescale(write, stored, replicas, applied.managed), [])
