"""The parts of Kubernetes' objects that the provider reads; decoding skips other members.

Go encodes an empty list or map as null or omits it, so both decode to None.
"""

from typing import Generic, TypeVar

from msgspec import Struct, field

Item = TypeVar("Item")


class Part(Struct, frozen=True, rename="camel", gc=False):
    """A piece of an object, in camel case as on the wire.

    The garbage collector need not visit the objects of informers: no part can be in a cycle, and
    tuples and dicts of untracked values are not tracked either. With lists, a full collection took
    200 ms for 20,000 pods, in which the event loop stood still.
    """


class OwnerReference(Part, frozen=True):
    """An owner of an object; at most one owner is the controller."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Annotations(Part, frozen=True):
    """The annotations that the provider reads."""

    default_container: str | None = field(
        default=None, name="kubectl.kubernetes.io/default-container"
    )


class Metadata(Part, frozen=True):
    """The metadata of an object."""

    name: str
    uid: str
    labels: dict[str, str] | None = None
    annotations: Annotations | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] | None = None
    generation: int | None = None
    resource_version: str | None = None


class Owned(Part, frozen=True):
    """Any object, decoded without spec and status."""

    metadata: Metadata


class Amounts(Part, frozen=True):
    """The resource limits and requests of a container."""

    limits: dict[str, str] | None = None
    requests: dict[str, str] | None = None


class Container(Part, frozen=True):
    """A container in the spec of a pod."""

    name: str
    image: str | None = None
    resources: Amounts | None = None


class PodSpec(Part, frozen=True):
    """The spec of a pod."""

    containers: tuple[Container, ...] | None = None


class ContainerStatus(Part, frozen=True):
    """A container in the status of a pod."""

    name: str
    image_id: str = field(default="", name="imageID")


class Condition(Part, frozen=True):
    """A condition in the status of a pod."""

    type: str
    status: str


class PodStatus(Part, frozen=True):
    """The status of a pod."""

    phase: str | None = None
    start_time: str | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Part, frozen=True):
    """A pod: the contract's machine."""

    metadata: Metadata
    spec: PodSpec
    status: PodStatus = PodStatus()


class Requirement(Part, frozen=True):
    """One entry of a selector's matchExpressions."""

    key: str
    operator: str
    values: tuple[str, ...] | None = None


class LabelSelector(Part, frozen=True):
    """The selector of a kind in apps/v1."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None


class WorkloadSpec(Part, frozen=True):
    """The spec of a controller in apps/v1."""

    replicas: int | None = None
    selector: LabelSelector | None = None


class ReplicationSpec(Part, frozen=True):
    """The spec of a ReplicationController, whose selector is a flat map of labels."""

    replicas: int | None = None
    selector: dict[str, str] | None = None


class WorkloadStatus(Part, frozen=True):
    """The status of a controller; the API server omits zero."""

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
    """The spec of a Service."""

    ports: tuple[ServicePort, ...] | None = None


class Service(Part, frozen=True):
    """A Service: the contract's service endpoint."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()


class ListMetadata(Part, frozen=True):
    """The metadata of a list: its continue token, empty on the last page, and its version."""

    token: str | None = field(default=None, name="continue")
    resource_version: str | None = None


class ListOf(Part, Generic[Item], frozen=True):
    """One page of a list."""

    items: list[Item] | None
    metadata: ListMetadata


class StatusDetails(Part, frozen=True):
    """The details of a Status; `kind` is a plural, such as `deployments`."""

    name: str | None = None
    kind: str | None = None
    retry_after_seconds: int | None = None


class Status(Part, frozen=True):
    """The API server's error response."""

    kind: str | None = None
    message: str | None = None
    reason: str | None = None
    details: StatusDetails | None = None
    metadata: ListMetadata | None = None
