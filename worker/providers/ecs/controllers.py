"""Services: described by name, listed, scaled and deleted."""

from collections.abc import Iterable

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.ecs import names, translate
from worker.providers.ecs.aws.answers import OneService, Service, ServiceArns, Services
from worker.providers.ecs.aws.batches import batches, expect_missing
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure

DESCRIBED_AT_ONCE = 10
LISTED_AT_ONCE = 100
DRAINING = "DRAINING"
INACTIVE = "INACTIVE"
PRIMARY = "PRIMARY"
FAILED = "FAILED"
DELETED = frozenset({"ServiceNotFoundException", "ServiceNotActiveException"})
"""AWS's codes for a deleted service."""


async def describe(aws: BoundClient, cluster: str, wanted: Iterable[str]) -> list[Service]:
    """Return the services that exist, including deleted ones, with their tags."""
    answers = await gather_all(
        *(_described(aws, cluster, batch) for batch in batches(wanted, DESCRIBED_AT_ONCE))
    )
    return [service for services in answers for service in services]


async def _described(aws: BoundClient, cluster: str, batch: list[str]) -> list[Service]:
    answer = await aws.ask(
        "ecs:DescribeServices", Services, cluster=cluster, services=batch, include=["TAGS"]
    )
    expect_missing("ecs:DescribeServices", answer.failures)
    return answer.services


async def active(aws: BoundClient, cluster: str, wanted: Iterable[str]) -> list[Service]:
    """Return the services that are not deleted."""
    return [each for each in await describe(aws, cluster, wanted) if translate.is_active(each)]


async def of_cluster(aws: BoundClient, cluster: str) -> list[Service]:
    """Return all services of a cluster that are not deleted."""
    found: list[str] = []
    async for page in aws.pages(
        "ecs:ListServices", ServiceArns, cluster=cluster, maxResults=LISTED_AT_ONCE
    ):
        found += map(names.last, page.service_arns)
    return await active(aws, cluster, found)


async def one(aws: BoundClient, cluster: str, name: str) -> Service:
    """Return a service that is not deleted, or raise `not_found`."""
    for service in await active(aws, cluster, [name]):
        return service
    raise absent(cluster, name)


def is_stopped(service: Service) -> bool:
    """Return whether the circuit breaker stopped the newest deployment, so that no tasks start.

    That happens if ECS has no earlier deployment to roll back to.
    """
    return any(
        each.status == PRIMARY and each.rollout_state == FAILED for each in service.deployments
    )


async def scale(aws: BoundClient, cluster: str, name: str, replicas: int) -> Service:
    """Set the desired number of tasks; return the service without its tags."""
    try:
        answer = await aws.ask(
            "ecs:UpdateService", OneService, cluster=cluster, service=name, desiredCount=replicas
        )
    except Failure as failure:
        if failure.aws_code not in DELETED:
            raise
        raise absent(cluster, name, failure) from failure
    return answer.service


async def delete(aws: BoundClient, cluster: str, name: str) -> Service:
    """Delete a service with its tasks and return it as it was, or raise `not_found`.

    A deleted service is returned while AWS still describes it, and deleted again while it
    drains: its other resources may still exist.
    """
    for service in await describe(aws, cluster, [name]):
        if service.status != INACTIVE:
            await _delete(aws, cluster, service)
        return service
    raise absent(cluster, name)


async def _delete(aws: BoundClient, cluster: str, service: Service) -> None:
    name = service.service_name
    try:
        await aws.ask("ecs:DeleteService", OneService, cluster=cluster, service=name, force=True)
    except Failure as failure:
        if failure.aws_code not in DELETED:
            raise
        if not (failure.after_loss or service.status == DRAINING):
            raise absent(cluster, name, failure) from failure


def absent(cluster: str, name: str, failure: Failure | None = None) -> Fault:
    """Return the fault of an absent service."""
    words = f'there is no controller "{name}" in the cluster "{names.cluster_name(cluster)}"'
    return Fault(Code.NOT_FOUND, f"{words}: {failure.message}" if failure else words)
