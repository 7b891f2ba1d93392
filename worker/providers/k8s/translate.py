"""Translate Kubernetes' objects to the contract's resources; pure."""

import re

from msgspec import UNSET, UnsetType

from contracts.resources import (
    Controller,
    ControllerReference,
    Deletion,
    Machine,
    Object,
    Port,
    Quantities,
    ServiceEndpoint,
)
from worker.providers.k8s.kinds import Kind
from worker.providers.k8s.objects import (
    Container,
    OwnerReference,
    Pod,
    Replication,
    Service,
    Workload,
)

FINISHED = frozenset({"Succeeded", "Failed"})
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://")
DIGEST = re.compile(r"(\S+@)?sha\d+:\S+")
DEFAULT_REPLICAS = 1
"""The API server's default for a spec without replicas."""


def machine(pod: Pod, controller: OwnerReference | None) -> Machine:
    """Translate a pod to a machine; `controller` is the top of its owner chain."""
    container = main_container(pod)
    return Machine(
        id=pod.metadata.name,
        status=pod.status.phase or "Unknown",
        ready=is_ready(pod),
        labels=pod.metadata.labels or {},
        start_time=pod.status.start_time or UNSET,
        image=(container and container.image) or UNSET,
        image_digest=_image_digest(pod, container),
        controller=_reference(controller),
        resources=_quantities(container),
    )


def is_finished(pod: Pod) -> bool:
    """Return whether a pod has ended; evicted and completed pods stay in the API."""
    return pod.status.phase in FINISHED


def is_ready(pod: Pod) -> bool:
    """Return whether a pod receives traffic; Services drop a pod when its deletion begins."""
    if pod.metadata.deletion_timestamp is not None:
        return False
    conditions = pod.status.conditions or ()
    return any(each.type == "Ready" and each.status == "True" for each in conditions)


def main_container(pod: Pod) -> Container | None:
    """Return the default container of a pod; injected sidecars may come first in the list."""
    containers = pod.spec.containers or ()
    marked = pod.metadata.annotations and pod.metadata.annotations.default_container
    found = next((each for each in containers if each.name == marked), None)
    return found or next(iter(containers), None)


def _image_digest(pod: Pod, container: Container | None) -> str | UnsetType:
    # The kubelet sorts statuses by name, so they are matched by name, not by position.
    statuses = pod.status.container_statuses or ()
    found = (each for each in statuses if container and each.name == container.name)
    return next((image_digest(each.image_id) for each in found), UNSET)


def image_digest(image_id: str) -> str | UnsetType:
    """Return `repo@sha256:…` or `sha256:…` without the runtime's scheme, if it is a digest."""
    bare = SCHEME.sub("", image_id)
    return bare if DIGEST.fullmatch(bare) else UNSET


def _reference(owner: OwnerReference | None) -> ControllerReference | UnsetType:
    if owner is None:
        return UNSET
    return ControllerReference(name=owner.name, kind=owner.kind, api_version=owner.api_version)


def _quantities(container: Container | None) -> Quantities | UnsetType:
    if container is None or container.resources is None:
        return UNSET
    return Quantities(
        limits=container.resources.limits or {}, requests=container.resources.requests or {}
    )


def controller(
    kind: Kind, workload: Workload | Replication, machines: list[Machine] | UnsetType = UNSET
) -> Controller:
    """Translate an object of one of the four kinds to a controller."""
    return Controller(
        name=workload.metadata.name,
        replicas=wanted(workload),
        labels=workload.metadata.labels or {},
        provider_metadata=kind.metadata,
        machines=machines,
        deleting=True if workload.metadata.deletion_timestamp is not None else UNSET,
    )


def controller_from_machines(
    kind: Kind, top: OwnerReference, machines: list[Machine]
) -> Controller:
    """Derive a controller from its machines; their number stands for the desired count."""
    return Controller(
        name=top.name,
        replicas=len(machines),
        labels={},
        provider_metadata=kind.metadata,
        machines=machines,
    )


def endpoint(service: Service) -> ServiceEndpoint:
    """Translate a Service to a service endpoint."""
    return ServiceEndpoint(
        name=service.metadata.name,
        labels=service.metadata.labels or {},
        ports=[Port(port=each.port, protocol=each.protocol) for each in service.spec.ports or ()],
    )


def deletion(name: str, answer: Object) -> Object:
    """Translate the response to a deletion: a Status, or an object that finalizers hold."""
    metadata = answer.get("metadata") or {}
    finalizers = metadata.get("finalizers") or []
    if not (finalizers and metadata.get("deletionTimestamp")):
        return Deletion(name, True).answer()
    held = f'the {answer.get("kind")} "{name}", until its finalizers have run: '
    return Deletion(name, True, [held + ", ".join(finalizers)]).answer()


def wanted(workload: Workload | Replication) -> int:
    """Return the desired number of machines."""
    replicas = workload.spec.replicas
    return DEFAULT_REPLICAS if replicas is None else replicas


def ready(workload: Workload | Replication) -> int:
    """Return the number of ready machines."""
    return workload.status.ready_replicas or 0
