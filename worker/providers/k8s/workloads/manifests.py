"""Validate callers' manifests, and compare them with live objects; pure."""

from typing import Any, TypeVar

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.resources import Object
from worker.providers.k8s import names
from worker.providers.k8s.kinds import KINDS, SERVICES, ResourceType
from worker.providers.k8s.workloads import merging

Type = TypeVar("Type", bound=ResourceType)

SERVER_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
"""Metadata that the API server sets; a manifest that was read from it may have them."""

KEPT_SPEC_FIELDS = {kind.name: frozenset({"replicas"}) for kind in KINDS} | {
    SERVICES.name: frozenset(
        {
            "clusterIP",
            "clusterIPs",
            "healthCheckNodePort",
            "ipFamilies",
            "ipFamilyPolicy",
            "loadBalancerClass",
        }
    )
}
"""Spec fields that other writers own: they keep their values unless a manifest names them."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def read(manifest: Object, namespace: str, *resources: Type) -> tuple[Type, Object]:
    """Return the resource type of a manifest, and the manifest without the server's metadata."""
    resource = _resource(manifest, resources)
    metadata = _part(manifest, "metadata")
    given = metadata.get("namespace")
    if given not in (None, "", namespace):
        raise _expected("metadata.namespace", f"{namespace}, the scope of the request", given)
    name = names.object_name(metadata.get("name", ""), "manifest.metadata.name")
    own = {
        key: each
        for key, each in metadata.items()
        if key not in SERVER_METADATA and each is not None
    }
    rest = {key: value for key, value in manifest.items() if key not in {"metadata", "status"}}
    if "spec" in rest:
        spec = _part(manifest, "spec")
        rest["spec"] = {key: value for key, value in spec.items() if value is not None}
    known = {"apiVersion": resource.api_version, "kind": resource.name}
    return resource, rest | known | {"metadata": own | {"name": name, "namespace": namespace}}


def _resource(manifest: Object, resources: tuple[Type, ...]) -> Type:
    kind, version = manifest.get("kind"), manifest.get("apiVersion")
    if kind is None and len(resources) == 1:
        kind = resources[0].name
    resource = next((each for each in resources if each.name == kind), None)
    if resource is None:
        raise _expected("kind", " or ".join(each.name for each in resources), kind)
    if version not in (None, resource.api_version):
        raise _expected("apiVersion", f"{resource.api_version} for kind {kind}", version)
    return resource


def _part(manifest: Object, key: str) -> Object:
    part = manifest.get(key)
    if not isinstance(part, dict):
        raise _expected(key, "an object", part)
    return part


def _expected(where: str, what: str, got: Any) -> Fault:
    # Show only the type of a wrong part: its value may be a secret.
    shown = show(got) if got is None or isinstance(got, str) else f"a {type(got).__name__}"
    return Fault(Code.INVALID, f"manifest.{where}: expected {what}, got {shown}")


def change(live: Object, wanted: Object) -> Object:
    """Return the merge patch that applies a manifest and keeps other writers' fields.

    A member such as `spec` that the manifest does not have is unchanged. `applying` adds the
    resourceVersion.
    """
    new = {key: value for key, value in wanted.items() if key not in {"apiVersion", "kind"}}
    kept = KEPT_SPEC_FIELDS.get(wanted["kind"], frozenset()) & (live.get("spec") or {}).keys()
    if "spec" in new:
        new["spec"] = {key: live["spec"][key] for key in kept} | new["spec"]
    before = {key: value for key, value in live.items() if key in new}
    metadata = live["metadata"]
    before["metadata"] = {key: each for key, each in metadata.items() if key not in SERVER_METADATA}
    patch: Object = merging.difference(
        before, merging.merged("", before, new, merging.writers(live))
    )
    return patch | {"metadata": patch.get("metadata", {})}


def shown(found: Object) -> Object:
    """Return a controller without the values of its environment, which may be secrets."""
    spec = dict(found.get("spec") or {})
    template = dict(spec.get("template") or {})
    pod = dict(template.get("spec") or {})
    for key in CONTAINERS:
        if pod.get(key):
            pod[key] = [_without_values(container) for container in pod[key]]
    if template:
        spec["template"] = template | {"spec": pod}
    answer = dict(found)
    if spec:
        answer["spec"] = spec
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    if LAST_APPLIED in annotations:
        others = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
        answer["metadata"] = found["metadata"] | {"annotations": others}
    return answer


def _without_values(container: Object) -> Object:
    if not container.get("env"):
        return container
    names_only = [
        {key: value for key, value in variable.items() if key != "value"}
        for variable in container["env"]
    ]
    return container | {"env": names_only}
