"""Services: described by name, listed, scaled and deleted."""

from collections.abc import Iterable

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.providers.ecs import names, translate
from worker.providers.ecs.batches import batches, expect_missing
from worker.providers.ecs.client import Conversation
from worker.providers.ecs.errors import Failure
from worker.providers.ecs.objects import OneService, Service, ServiceArns, Services

DESCRIBED_AT_ONCE = 10
LISTED_AT_ONCE = 100
DRAINING = "DRAINING"
INACTIVE = "INACTIVE"
GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException"})
"""How AWS calls a service that is not there any more."""


async def describe(talk: Conversation, cluster: str, wanted: Iterable[str]) -> list[Service]:
    """Those of the services that exist, with their tags, deleted ones too."""
    answers = await gather_all(
        *(_described(talk, cluster, batch) for batch in batches(wanted, DESCRIBED_AT_ONCE))
    )
    return [service for services in answers for service in services]


async def _described(talk: Conversation, cluster: str, batch: list[str]) -> list[Service]:
    answer = await talk.ask(
        "ecs:DescribeServices", Services, cluster=cluster, services=batch, include=["TAGS"]
    )
    expect_missing("ecs:DescribeServices", answer.failures)
    return answer.services


async def active(talk: Conversation, cluster: str, wanted: Iterable[str]) -> list[Service]:
    """Those of the services that are not deleted."""
    return [each for each in await describe(talk, cluster, wanted) if translate.is_active(each)]


async def of_cluster(talk: Conversation, cluster: str) -> list[Service]:
    """All services of a cluster that are not deleted."""
    found: list[str] = []
    async for page in talk.pages(
        "ecs:ListServices", ServiceArns, cluster=cluster, maxResults=LISTED_AT_ONCE
    ):
        found += map(names.last, page.service_arns)
    return await active(talk, cluster, found)


async def one(talk: Conversation, cluster: str, name: str) -> Service:
    """A service that is not deleted, or the fault `not_found`."""
    for service in await active(talk, cluster, [name]):
        return service
    raise absent(cluster, name)


async def scale(talk: Conversation, cluster: str, name: str, replicas: int) -> Service:
    """Set how many tasks of a service are wanted; its answer tells how many run, and no tags."""
    try:
        answer = await talk.ask(
            "ecs:UpdateService", OneService, cluster=cluster, service=name, desiredCount=replicas
        )
    except Failure as failure:
        if failure.aws_code not in GONE:
            raise
        raise absent(cluster, name, failure) from failure
    return answer.service


async def delete(talk: Conversation, cluster: str, name: str) -> Service:
    """Delete a service with its tasks and return it as it was; `not_found` when there is none.

    One that is deleted already is returned while AWS remembers it, and deleted again while it
    drains: what belonged to it may be there yet.
    """
    for service in await describe(talk, cluster, [name]):
        if service.status != INACTIVE:
            await _delete(talk, cluster, service)
        return service
    raise absent(cluster, name)


async def _delete(talk: Conversation, cluster: str, service: Service) -> None:
    name = service.service_name
    try:
        await talk.ask("ecs:DeleteService", OneService, cluster=cluster, service=name, force=True)
    except Failure as failure:
        if failure.aws_code not in GONE:
            raise
        if not (failure.after_loss or service.status == DRAINING):
            raise absent(cluster, name, failure) from failure


def absent(cluster: str, name: str, failure: Failure | None = None) -> Fault:
    """The fault of a service that is not there."""
    words = f'there is no controller "{name}" in the cluster "{names.cluster_name(cluster)}"'
    return Fault(Code.NOT_FOUND, f"{words}: {failure.message}" if failure else words)
