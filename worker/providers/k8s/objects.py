"""What we read of Kubernetes' objects: narrow structs; all else is skipped while decoding.

Go writes an empty list or map as null or leaves it out, so both are read as nothing.
"""

from typing import Generic, TypeVar

from msgspec import Struct, field

Item = TypeVar("Item")


class Part(Struct, frozen=True, rename="camel"):
    """A piece of an object, in camel case as on the wire."""


class OwnerReference(Part, frozen=True):
    """Who owns an object; at most one of its owners is the controller."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Annotations(Part, frozen=True):
    """The only annotation that matters here."""

    default_container: str | None = field(
        default=None, name="kubectl.kubernetes.io/default-container"
    )


class Metadata(Part, frozen=True):
    """What every object has."""

    name: str
    uid: str
    labels: dict[str, str] | None = None
    annotations: Annotations | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None
    generation: int | None = None


class Owned(Part, frozen=True):
    """Any object, when only its metadata are of interest."""

    metadata: Metadata


class Amounts(Part, frozen=True):
    """What a container asks for."""

    limits: dict[str, str] | None = None
    requests: dict[str, str] | None = None


class Container(Part, frozen=True):
    """A container as wanted."""

    name: str
    image: str | None = None
    resources: Amounts | None = None


class PodSpec(Part, frozen=True):
    """What a pod should be."""

    containers: list[Container] | None = None


class ContainerStatus(Part, frozen=True):
    """A container as it is."""

    name: str
    image_id: str = field(default="", name="imageID")


class Condition(Part, frozen=True):
    """One of the things that are or are not so about a pod."""

    type: str
    status: str


class PodStatus(Part, frozen=True):
    """What a pod is."""

    phase: str | None = None
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class Pod(Part, frozen=True):
    """A machine, in Kubernetes' words."""

    metadata: Metadata
    spec: PodSpec
    status: PodStatus = PodStatus()


class Requirement(Part, frozen=True):
    """One of a selector's matchExpressions."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(Part, frozen=True):
    """The selector of the kinds in apps/v1."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class WorkloadSpec(Part, frozen=True):
    """What a controller in apps/v1 should keep running."""

    replicas: int | None = None
    selector: LabelSelector | None = None


class ReplicationSpec(Part, frozen=True):
    """The same of a ReplicationController, whose selector is a flat map of labels."""

    replicas: int | None = None
    selector: dict[str, str] | None = None


class WorkloadStatus(Part, frozen=True):
    """How much of it runs; zero is left out."""

    ready_replicas: int | None = None


class Workload(Part, frozen=True):
    """A Deployment, StatefulSet or ReplicaSet."""

    metadata: Metadata
    spec: WorkloadSpec
    status: WorkloadStatus = WorkloadStatus()


class Replication(Part, frozen=True):
    """A ReplicationController."""

    metadata: Metadata
    spec: ReplicationSpec
    status: WorkloadStatus = WorkloadStatus()


class ServicePort(Part, frozen=True):
    """A port of a service."""

    port: int
    protocol: str = "TCP"
    name: str | None = None
    app_protocol: str | None = None


class ServiceSpec(Part, frozen=True):
    """Where a service is reached."""

    ports: list[ServicePort] | None = None


class Service(Part, frozen=True):
    """A service endpoint, in Kubernetes' words."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()


class Continuation(Part, frozen=True):
    """Where a list goes on, empty at its end."""

    token: str | None = field(default=None, name="continue")


class ListOf(Part, Generic[Item], frozen=True):
    """One page of a list."""

    items: list[Item] | None
    metadata: Continuation


class StatusDetails(Part, frozen=True):
    """What a Status says beyond its message; `kind` is a plural, such as `deployments`."""

    name: str | None = None
    kind: str | None = None
    retry_after_seconds: int | None = None


class Status(Part, frozen=True):
    """How the API server says that something failed."""

    kind: str | None = None
    message: str | None = None
    reason: str | None = None
    details: StatusDetails | None = None
    metadata: Continuation | None = None
