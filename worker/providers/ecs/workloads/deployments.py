"""The parameters of CreateService and UpdateService, and the wait for a draining service."""

import uuid

from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.neutral import workload as neutral
from contracts.resources import Object
from worker.provider import Call
from worker.providers.ecs import controllers, names, translate
from worker.providers.ecs.aws.answers import Service
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.pauses import pause
from worker.providers.ecs.aws.tags import camel
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.workloads.workload import Wanted

GRACE: Object = {"healthCheckGracePeriodSeconds": 60}
"""The time after the start of a task in which failed health checks are ignored."""
REPLACE_TASKS: Object = {"forceNewDeployment": True}
"""The parameters of UpdateService that replace all tasks and change nothing else."""
FIRST_POLL_S = 0.5
LONGEST_POLL_S = 5.0


class Parts(Struct, frozen=True):
    """The resources that a service refers to, by ARN; `hostname` is its name in DNS."""

    task_definition: str
    registry: str | None = None
    hostname: str | None = None
    target_groups: list[str] = []


async def existing(aws: BoundClient, cluster: str, name: str) -> Service | None:
    """Return the service if it is ACTIVE or DRAINING: then CreateService refuses its name."""
    for service in await controllers.describe(aws, cluster, [name]):
        if translate.is_active(service) or service.status == controllers.DRAINING:
            return service
    return None


async def after_draining(aws: BoundClient, call: Call, cluster: str, name: str) -> Service | None:
    """Wait while the service is DRAINING; return it if it is ACTIVE, otherwise None."""
    wait = FIRST_POLL_S
    while True:
        found = await existing(aws, cluster, name)
        if found is None or translate.is_active(found):
            return found
        if not await pause(call, wait):
            # Clients do not repeat after a conflict, and draining ends within minutes.
            raise Fault(
                Code.PLATFORM_FAILED,
                f'the service "{name}" in the cluster "{names.cluster_name(cluster)}" is being '
                f"deleted, {found.running_count} of its tasks still run: ECS creates no service of "
                "the same name until they have stopped. Repeat the request",
            )
        wait = min(LONGEST_POLL_S, wait * 2)


def creation(settings: Settings, cluster: str, wanted: Wanted, parts: Parts) -> Object:
    """Return the parameters of CreateService."""
    network: Object = {"subnets": settings.subnets(), "assignPublicIp": "DISABLED"}
    if settings.security_groups():
        network["securityGroups"] = settings.security_groups()
    parameters: Object = {
        "cluster": cluster,
        "serviceName": wanted.name,
        "taskDefinition": parts.task_definition,
        "desiredCount": neutral.first_size(wanted.workload),
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": network},
        # An unhealthy deployment is rolled back; otherwise ECS would start tasks without end.
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        "tags": camel(wanted.tags),
        "propagateTags": "SERVICE",
        "enableECSManagedTags": True,
        # The token is the same for each retry, so a lost answer does not cause a second creation.
        "clientToken": str(uuid.uuid4()),
    }
    if parts.target_groups:
        parameters |= {"loadBalancers": _balancers(wanted, parts)} | GRACE
    if parts.registry is not None:
        parameters["serviceRegistries"] = [{"registryArn": parts.registry}]
    return parameters


def changes(service: Service, wanted: Wanted, parts: Parts) -> Object:
    """Return the parameters of UpdateService that differ; empty if nothing changes.

    The number of tasks is never among them, so that the present scale is kept.
    """
    parameters: Object = {}
    if service.task_definition != parts.task_definition:
        parameters["taskDefinition"] = parts.task_definition
    if _balancers(wanted, parts) != _present(service):
        parameters["loadBalancers"] = _balancers(wanted, parts)
        if not service.load_balancers:
            parameters |= GRACE
    registries = {each.registry_arn for each in service.service_registries}
    if parts.registry is not None and parts.registry not in registries:
        parameters["serviceRegistries"] = [{"registryArn": parts.registry}]
    return parameters


def new_tags(service: Service, wanted: Wanted) -> dict[str, str]:
    """Return the tags that a service lacks."""
    return dict(wanted.tags.items() - translate.labels(service.tags).items())


def references(service: Service) -> set[str]:
    """Return the ARNs of the resources that a service uses."""
    groups = {each.target_group_arn or "" for each in service.load_balancers}
    registries = {each.registry_arn for each in service.service_registries}
    return {service.task_definition, *groups, *registries}


def _balancers(wanted: Wanted, parts: Parts) -> list[Object]:
    return [
        {
            "targetGroupArn": arn,
            "containerName": wanted.name,
            "containerPort": wanted.workload.ports.app,
        }
        for arn in parts.target_groups
    ]


def _present(service: Service) -> list[Object]:
    return [
        {
            "targetGroupArn": each.target_group_arn,
            "containerName": each.container_name,
            "containerPort": each.container_port,
        }
        for each in service.load_balancers
        if each.target_group_arn
    ]
