"""The endpoints of services: ports, and host names from Cloud Map."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import UNSET, UnsetType

from contracts.faults import Code
from contracts.resources import Port, ServiceEndpoint
from worker.gather_all import gather_all
from worker.providers.ecs import controllers, names, translate
from worker.providers.ecs.aws.answers import (
    CloudMapService,
    OneCloudMapNamespace,
    OneCloudMapService,
    OneTaskDefinition,
    Service,
)
from worker.providers.ecs.aws.client import BoundClient
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.tag_index import expect_cluster, tagged
from worker.ttl_cache import TtlCache

REMEMBERED = 10_000
LIFETIME_S = 3600
NO_SUCH_TASK_DEFINITION = "ClientException"


class Endpoints:
    """Endpoints, with caches: ports of task definitions and names in Cloud Map never change."""

    def __init__(self, *, hostnames: bool) -> None:
        """`hostnames` is true if Cloud Map may be asked."""
        self._hostnames = hostnames
        self._ports: TtlCache[str, list[Port]] = TtlCache(REMEMBERED, LIFETIME_S)
        self._services: TtlCache[str, CloudMapService] = TtlCache(REMEMBERED, LIFETIME_S)
        self._namespaces: TtlCache[str, str] = TtlCache(REMEMBERED, LIFETIME_S)
        self._asking = asyncio.Lock()

    async def candidates(
        self, aws: BoundClient, cluster: str, labels: Mapping[str, str]
    ) -> list[Service]:
        """Return the services that recently had all the labels."""
        names = sorted(await tagged(aws, "service", cluster, labels))
        if not names:
            await expect_cluster(aws, cluster)
        return await controllers.active(aws, cluster, names)

    async def of(self, aws: BoundClient, services: Iterable[Service]) -> list[ServiceEndpoint]:
        """Return the endpoints of services."""
        return await gather_all(*(self._endpoint(aws, service) for service in services))

    async def _endpoint(self, aws: BoundClient, service: Service) -> ServiceEndpoint:
        ports = translate.service_ports(service)
        if not ports and service.task_definition:
            ports = await self._container_ports(aws, service.task_definition)
        arns = [each.registry_arn for each in service.service_registries if each.registry_arn]
        hostname = await self.hostname(aws, arns[0]) if arns else UNSET
        return translate.endpoint(service, ports, hostname)

    async def _container_ports(self, aws: BoundClient, arn: str) -> list[Port]:
        known = self._ports.get(arn)
        if known is not None:
            return known
        try:
            answer = await aws.ask(
                "ecs:DescribeTaskDefinition", OneTaskDefinition, taskDefinition=arn
            )
        except Failure as failure:
            if failure.aws_code != NO_SUCH_TASK_DEFINITION:
                raise
            return []
        ports = translate.container_ports(answer.task_definition)
        self._ports.put(arn, ports)
        return ports

    async def hostname(self, aws: BoundClient, registry: str) -> str | UnsetType:
        """Return the name in DNS of a Cloud Map service, by its ARN."""
        if not self._hostnames:
            return UNSET
        try:
            found = await self._service(aws, names.last(registry))
            if found.namespace_id is None:
                return UNSET
            return f"{found.name}.{await self._namespace(aws, found.namespace_id)}"
        except Failure as failure:
            if failure.code is not Code.NOT_FOUND:
                raise
            return UNSET

    async def _service(self, aws: BoundClient, id: str) -> CloudMapService:
        known = self._services.get(id)
        if known is None:
            answer = await aws.ask("servicediscovery:GetService", OneCloudMapService, Id=id)
            known = answer.service
            self._services.put(id, known)
        return known

    async def _namespace(self, aws: BoundClient, id: str) -> str:
        # Concurrent look-ups of a namespace share one request.
        async with self._asking:
            known = self._namespaces.get(id)
            if known is None:
                answer = await aws.ask("servicediscovery:GetNamespace", OneCloudMapNamespace, Id=id)
                known = answer.namespace.name
                self._namespaces.put(id, known)
            return known
