"""Services of Cloud Map: found, made and deleted with their instances."""

import re
import uuid
from hashlib import sha256

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers.ecs.aws import ownership
from worker.providers.ecs.aws.answers import CloudMapService, Nothing, OneCloudMapService
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.pauses import retry

PAGE = 100
TTL_S = 60
LABEL_LIMIT = 63
HASH_DIGITS = 6
DELETED = frozenset({"DuplicateRequest", "InstanceNotFound", "ServiceNotFound"})
"""AWS's codes if another process deletes the resource or has deleted it."""
MARK = re.compile(r"machinist: cluster (?P<cluster>[A-Za-z0-9_-]+)")


class CloudMapServices(Struct, frozen=True, rename="pascal"):
    """A page of ListServices."""

    services: list[CloudMapService]


class Instance(Struct, frozen=True, rename="pascal"):
    """A task that is registered in a service of Cloud Map."""

    id: str


class Instances(Struct, frozen=True, rename="pascal"):
    """A page of ListInstances."""

    instances: list[Instance]


def entry_name(service: str) -> str:
    """Return the DNS label of a service: its name if that is a valid label."""
    if len(service) <= LABEL_LIMIT and service == service.strip("-"):
        return service
    digits = sha256(service.encode()).hexdigest()[:HASH_DIGITS]
    cut = service.strip("-")[: LABEL_LIMIT - HASH_DIGITS - 1].rstrip("-")
    return f"{cut or 'service'}-{digits}"


async def ensure(
    aws: BoundClient, namespace: str, cluster: str, service: str
) -> tuple[CloudMapService, bool]:
    """Return the Cloud Map service of a service, and whether it was created."""
    found = await _find(aws, namespace, service)
    if found is None:
        try:
            return await _create(aws, namespace, cluster, service), True
        except Failure as failure:
            if failure.aws_code != "ServiceAlreadyExists":
                raise
            found = await _find(aws, namespace, service)
            if found is None:
                # DNS ignores case: the name exists in another case.
                raise
    ownership.refuse_foreign(f'the name "{found.name}" in Cloud Map', _marks(found), cluster)
    return found, False


async def _find(aws: BoundClient, namespace: str, service: str) -> CloudMapService | None:
    name = entry_name(service)
    only = {"Name": "NAMESPACE_ID", "Values": [namespace], "Condition": "EQ"}
    async for page in aws.pages(
        "servicediscovery:ListServices", CloudMapServices, Filters=[only], MaxResults=PAGE
    ):
        for entry in page.services:
            if entry.name == name:
                return entry
    return None


async def _create(aws: BoundClient, namespace: str, cluster: str, service: str) -> CloudMapService:
    answer = await aws.ask(
        "servicediscovery:CreateService",
        OneCloudMapService,
        Name=entry_name(service),
        NamespaceId=namespace,
        # The token is the same for each retry, so a lost answer does not cause a second creation.
        CreatorRequestId=str(uuid.uuid4()),
        Description=f"machinist: cluster {cluster}",
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": TTL_S}]},
    )
    return answer.service


def _marks(entry: CloudMapService) -> dict[str, str]:
    mark = MARK.fullmatch(entry.description or "")
    return ownership.marks(mark["cluster"]) if mark else {}


async def delete(
    aws: BoundClient, call: Call, namespace: str, cluster: str, service: str, base_s: float
) -> bool:
    """Delete the Cloud Map service of a service; return whether there was one of ours."""
    found = await _find(aws, namespace, service)
    if found is None:
        return False
    if not ownership.is_ours(_marks(found), cluster):
        raise Fault(Code.CONFLICT, "it was not made by machinist for this cluster")
    await discard(aws, call, found.id, base_s)
    return True


async def discard(aws: BoundClient, call: Call, id: str, base_s: float) -> None:
    """Delete a Cloud Map service and its instances; wait a few times until AWS allows it."""
    await retry(
        call,
        base_s,
        {"ResourceInUse"},
        "its instances are still registered",
        lambda: _discarded(aws, id),
    )


async def _discarded(aws: BoundClient, id: str) -> None:
    await _deregister_all(aws, id)
    try:
        await aws.ask("servicediscovery:DeleteService", Nothing, Id=id)
    except Failure as failure:
        if failure.aws_code not in DELETED:
            raise


async def _deregister_all(aws: BoundClient, id: str) -> None:
    try:
        pages = aws.pages(
            "servicediscovery:ListInstances", Instances, ServiceId=id, MaxResults=PAGE
        )
        found = [instance.id async for page in pages for instance in page.instances]
    except Failure as failure:
        if failure.aws_code not in DELETED:
            raise
        return
    await gather_all(*(_deregister(aws, id, instance) for instance in found))


async def _deregister(aws: BoundClient, id: str, instance: str) -> None:
    try:
        await aws.ask(
            "servicediscovery:DeregisterInstance", Nothing, ServiceId=id, InstanceId=instance
        )
    except Failure as failure:
        if failure.aws_code not in DELETED:
            raise
