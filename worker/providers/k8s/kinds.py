"""The resource types of the Kubernetes API, and the kinds of controllers that hints select."""

from typing import Any

from msgspec import Struct

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from worker.providers.k8s import names
from worker.providers.k8s.objects import OwnerReference, Pod, Replication, Service, Workload


class ResourceType(Struct, frozen=True):
    """A resource type of the Kubernetes API: kind, API version and plural name."""

    name: str
    api_version: str
    plural: str

    def path(self, namespace: str, name: str | None = None) -> str:
        """Return the path of an object, or of all objects of a namespace."""
        return names.path(self.api_version, namespace, self.plural, name)


class Kind(ResourceType, frozen=True):
    """A kind of controller, and the struct that decodes it."""

    shape: type[Workload] | type[Replication]

    @property
    def metadata(self) -> dict[str, Any]:
        """The hint that selects this kind."""
        return {"kind": self.name, "apiVersion": self.api_version}


KINDS = (
    Kind("Deployment", "apps/v1", "deployments", Workload),
    Kind("StatefulSet", "apps/v1", "statefulsets", Workload),
    Kind("ReplicaSet", "apps/v1", "replicasets", Workload),
    Kind("ReplicationController", "v1", "replicationcontrollers", Replication),
)
"""The lookup order for a name without a kind."""

DEPLOYMENTS, REPLICA_SETS = KINDS[0], KINDS[2]
PODS = ResourceType("Pod", "v1", "pods")
SERVICES = ResourceType("Service", "v1", "services")
SECRETS = ResourceType("Secret", "v1", "secrets")
AUTOSCALERS = ResourceType("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
GATEWAYS = ResourceType("Gateway", "gateway.networking.k8s.io/v1", "gateways")
HTTP_ROUTES = ResourceType("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes")

SHAPES: dict[ResourceType, Any] = {
    PODS: Pod,
    SERVICES: Service,
    **{kind: kind.shape for kind in KINDS},
}
"""The structs of the resource types that queries read and informers watch."""

WATCHED = frozenset(resource.plural for resource in SHAPES)

BY_REFERENCE = {(kind.api_version, kind.name): kind for kind in KINDS}
EXPECTED_KINDS = "Deployment, StatefulSet, ReplicaSet or ReplicationController"


def of_owner(reference: OwnerReference) -> Kind | None:
    """Return the kind of an owner; None for a Job or a CRD, whose owners are not read."""
    return BY_REFERENCE.get((reference.api_version, reference.kind))


def hinted(kind: str | None, api_version: str | None) -> tuple[Kind, ...]:
    """Return the kinds that match the hints, all without hints; `invalid` if none matches."""
    named = [each for each in KINDS if kind in (None, each.name)]
    if not named:
        raise Fault(Code.INVALID, f"kind: expected {EXPECTED_KINDS}, got {show(kind)}")
    fitting = tuple(each for each in named if api_version in (None, each.api_version))
    if not fitting:
        versions = " or ".join(dict.fromkeys(each.api_version for each in named))
        of_kind = f" for kind {kind}" if kind else ""
        raise Fault(
            Code.INVALID, f"apiVersion: expected {versions}{of_kind}, got {show(api_version)}"
        )
    return fitting
