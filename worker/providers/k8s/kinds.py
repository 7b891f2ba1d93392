"""The kinds of objects, where the API has them, and what hints say about controllers."""

from typing import Any

from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.validation import show
from worker.providers.k8s import names
from worker.providers.k8s.objects import OwnerReference, Replication, Workload


class Place(Struct, frozen=True):
    """One kind of object and where the API has it."""

    name: str
    api_version: str
    plural: str

    def path(self, namespace: str, name: str | None = None) -> str:
        """Where one is, or all of a namespace."""
        return names.path(self.api_version, namespace, self.plural, name)


class Kind(Place, frozen=True):
    """One kind of controller and the struct that reads it."""

    shape: type[Workload] | type[Replication]

    @property
    def metadata(self) -> dict[str, Any]:
        """The hint that finds this kind again."""
        return {"kind": self.name, "apiVersion": self.api_version}


KINDS = (
    Kind("Deployment", "apps/v1", "deployments", Workload),
    Kind("StatefulSet", "apps/v1", "statefulsets", Workload),
    Kind("ReplicaSet", "apps/v1", "replicasets", Workload),
    Kind("ReplicationController", "v1", "replicationcontrollers", Replication),
)
"""In the order in which a bare name is looked for; a Deployment's ReplicaSet is never meant."""

DEPLOYMENTS, REPLICA_SETS = KINDS[0], KINDS[2]
PODS = Place("Pod", "v1", "pods")
SERVICES = Place("Service", "v1", "services")
SECRETS = Place("Secret", "v1", "secrets")
AUTOSCALERS = Place("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
GATEWAYS = Place("Gateway", "gateway.networking.k8s.io/v1", "gateways")
HTTP_ROUTES = Place("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes")

BY_REFERENCE = {(kind.api_version, kind.name): kind for kind in KINDS}
EXPECTED_KINDS = "Deployment, StatefulSet, ReplicaSet or ReplicationController"


def of_owner(reference: OwnerReference) -> Kind | None:
    """The kind of an owner, None for one that is not walked any further: a Job, a CRD."""
    return BY_REFERENCE.get((reference.api_version, reference.kind))


def hinted(kind: str | None, api_version: str | None) -> tuple[Kind, ...]:
    """The kinds that fit the hints, all without any; hints that fit none are `invalid`."""
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
