"""Translates ECS's tasks and services into the contract's resources; pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from contracts.resources import (
    Controller,
    ControllerReference,
    Machine,
    Port,
    Quantities,
    ServiceEndpoint,
)
from worker.providers.ecs import names
from worker.providers.ecs.aws.answers import Container, Service, Task, TaskDefinition
from worker.providers.ecs.aws.tags import CamelTag, mapping

BOUNDS = frozenset({"icc.platformatic.dev/scaler-min", "icc.platformatic.dev/scaler-max"})
"""Labels of the controller alone: a change of them replaces no machines."""

SERVICE_GROUP = "service:"
ALIVE = frozenset({"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"})
RUNNING = "RUNNING"
ACTIVE = "ACTIVE"
TCP = "tcp"
AGENTS = ("aws-guardduty-agent", "ecs-service-connect-")
"""Prefixes of the names of containers that AWS adds to tasks."""


def machine(task: Task, service: Service | None) -> Machine:
    """Return a task as a machine; its own tags override those of its service."""
    container = main_container(task)
    return Machine(
        id=names.last(task.task_arn),
        status=task.last_status,
        ready=is_ready(task),
        labels=_machine_labels(task, service),
        start_time=iso(task.started_at) if task.started_at else UNSET,
        image=(container and container.image) or UNSET,
        image_digest=(container and container.image_digest) or UNSET,
        controller=_reference(task),
        resources=_quantities(task),
    )


def _machine_labels(task: Task, service: Service | None) -> dict[str, str]:
    own = labels(task.tags)
    if service is None:
        return own
    # The task's own bounds may be outdated: they are those of its start.
    return labels(service.tags) | {key: own[key] for key in own.keys() - BOUNDS}


def is_alive(task: Task) -> bool:
    """Return whether a task runs or starts, and is meant to."""
    return task.last_status in ALIVE and task.desired_status == RUNNING


def is_ready(task: Task) -> bool:
    """Return whether a task takes traffic: a stopping task is deregistered at once."""
    return task.last_status == task.desired_status == RUNNING and task.health_status != "UNHEALTHY"


def is_active(service: Service) -> bool:
    """Return whether a service is active: the API describes deleted ones for a while."""
    return service.status == ACTIVE


def controller_name(task: Task) -> str | None:
    """Return the service of a task, or None."""
    return task.group.removeprefix(SERVICE_GROUP) if task.group.startswith(SERVICE_GROUP) else None


def main_container(task: Task) -> Container | None:
    """Return the container named like the controller, otherwise the first, or None."""
    name = controller_name(task)
    own = [each for each in task.containers if not each.name.startswith(AGENTS)]
    return next((each for each in own if each.name == name), next(iter(own), None))


def controller(service: Service, machines: list[Machine] | UnsetType = UNSET) -> Controller:
    """Return a service as a controller. Its name is enough to find it again."""
    return Controller(
        name=service.service_name,
        replicas=service.desired_count,
        labels=labels(service.tags),
        provider_metadata={},
        machines=machines,
    )


def endpoint(service: Service, ports: list[Port], hostname: str | UnsetType) -> ServiceEndpoint:
    """Return a service as an endpoint."""
    return ServiceEndpoint(
        name=service.service_name, labels=labels(service.tags), ports=ports, hostname=hostname
    )


def service_ports(service: Service) -> list[Port]:
    """Return the ports that a service's load balancers forward to, otherwise those in Cloud Map."""
    balanced = (each.container_port for each in service.load_balancers)
    registered = (each.port or each.container_port for each in service.service_registries)
    return _ports((port, None) for port in balanced) or _ports((port, None) for port in registered)


def container_ports(definition: TaskDefinition) -> list[Port]:
    """Return the ports of the containers of a task definition."""
    return _ports(
        (mapping.container_port, mapping.protocol)
        for container in definition.container_definitions
        for mapping in container.port_mappings
    )


def _ports(found: Iterable[tuple[int | None, str | None]]) -> list[Port]:
    ports = [
        Port(port=port, protocol=(protocol or TCP).upper()) for port, protocol in found if port
    ]
    return list(dict.fromkeys(ports))


def labels(tags: Iterable[CamelTag]) -> dict[str, str]:
    """Return tags as labels."""
    return mapping(tags)


def iso(moment: datetime) -> str:
    """Return a time in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _reference(task: Task) -> ControllerReference | UnsetType:
    name = controller_name(task)
    return ControllerReference(name=name) if name else UNSET


def _quantities(task: Task) -> Quantities | UnsetType:
    amounts = {"cpu": task.cpu, "memory": task.memory}
    known = {name: amount for name, amount in amounts.items() if amount}
    return Quantities(limits=known, requests=known) if known else UNSET
