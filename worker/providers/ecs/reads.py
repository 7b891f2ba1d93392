"""The reads of queries: listings of a cluster that queries share, and what is found in them.

A single resource or a filter is looked up in a listing of the whole cluster only if clients ask
for that listing anyway and it takes few requests; otherwise equal reads share their own requests.
A resource that is absent from a listing is looked up at AWS before the response is 404.
"""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import TypeVar

from msgspec import UNSET

from contracts.resources import Controller, Machine, ServiceEndpoint
from worker.provider import Call
from worker.providers.ecs import controllers, machines, translate
from worker.providers.ecs.aws.answers import Service, Task
from worker.providers.ecs.aws.client import BoundClient, Client
from worker.providers.ecs.endpoints import Endpoints
from worker.shared_reads import SharedReads
from worker.ttl_cache import TtlCache

Value = TypeVar("Value")

MACHINES, SERVICES = "machines", "services"

MOST_REQUESTS = 10
"""The most requests of a listing that is read for one of its resources; see `ecs_cache_seconds`."""

ASKED_S = 60.0
CLUSTERS = 1000


class Reads:
    """The reads of machines, services and endpoints."""

    def __init__(self, client: Client, shared: SharedReads, endpoints: Endpoints) -> None:
        self._client = client
        self._shared = shared
        self._endpoints = endpoints
        self._asked: TtlCache[tuple[str, str], bool] = TtlCache(CLUSTERS, ASKED_S)
        """The small listings that clients have asked for lately, by kind and cluster."""

    async def machines(self, call: Call, cluster: str, labels: Mapping[str, str]) -> list[Machine]:
        """Return the machines that run or start and have all the labels."""
        if not labels:
            found = await self._all_machines(call, cluster)
            services = {each.controller.name for each in found if each.controller}
            requests = 2 * ceil(len(found) / machines.LISTED_AT_ONCE)
            requests += ceil(len(services) / controllers.DESCRIBED_AT_ONCE)
            self._note(call, (MACHINES, cluster), requests)
            return found
        if self._has_listing(call, MACHINES, cluster):
            listed = await self._all_machines(call, cluster)
            return [each for each in listed if labels.items() <= each.labels.items()]
        key = (MACHINES, cluster, tuple(sorted(labels.items())))
        return await self._read(key, call, lambda aws: machines.find(aws, cluster, labels))

    async def machine(self, call: Call, cluster: str, id: str) -> Machine:
        """Return a machine, even one that stopped recently, or raise `not_found`."""

        async def live(aws: BoundClient) -> Machine:
            task = await machines.one(aws, cluster, id)
            [machine] = await machines.of_tasks(aws, cluster, [task])
            return machine

        if self._has_listing(call, MACHINES, cluster):
            for each in await self._all_machines(call, cluster):
                if each.id == id:
                    return each
            return await live(self._client.for_call(call))
        return await self._read(("machine", cluster, id), call, live)

    async def services(self, call: Call, cluster: str) -> list[Service]:
        """Return all services that are not deleted."""
        found = await self._all_services(call, cluster)
        described = ceil(len(found) / controllers.DESCRIBED_AT_ONCE)
        listed = ceil(len(found) / controllers.LISTED_AT_ONCE)
        self._note(call, (SERVICES, cluster), described + listed)
        return found

    async def service_of_machine(self, call: Call, cluster: str, id: str) -> Service | None:
        """Return the service of a machine, None if it has none."""

        async def live(aws: BoundClient) -> Service | None:
            name = translate.controller_name(await machines.one(aws, cluster, id))
            found = await controllers.active(aws, cluster, [name] if name else [])
            return next(iter(found), None)

        if self._has_listing(call, MACHINES, cluster):
            controller = (await self.machine(call, cluster, id)).controller
            if controller is UNSET:
                return None
            if self._has_listing(call, SERVICES, cluster):
                for each in await self._all_services(call, cluster):
                    if each.service_name == controller.name:
                        return each
        return await self._read(("service of machine", cluster, id), call, live)

    async def controller(self, call: Call, cluster: str, name: str) -> Controller:
        """Return a controller with its machines, or raise `not_found`."""

        async def live(aws: BoundClient) -> Controller:
            service = await controllers.one(aws, cluster, name)
            tasks = await machines.of_service(aws, cluster, name)
            return translate.controller(service, [translate.machine(t, service) for t in tasks])

        listings = (MACHINES, SERVICES)
        if not all(self._has_listing(call, each, cluster) for each in listings):
            return await self._read(("controller", cluster, name), call, live)
        for service in await self._all_services(call, cluster):
            if service.service_name == name:
                listed = await self._all_machines(call, cluster)
                own = [each for each in listed if each.controller and each.controller.name == name]
                return translate.controller(service, own)
        return await live(self._client.for_call(call))

    async def endpoints(
        self, call: Call, cluster: str, labels: Mapping[str, str]
    ) -> list[ServiceEndpoint]:
        """Return the endpoints of the services that have all the labels."""

        async def read(call: Call) -> list[ServiceEndpoint]:
            aws = self._client.for_call(call)
            if self._has_listing(call, SERVICES, cluster):
                services = await self._all_services(call, cluster)
            else:
                services = await self._endpoints.candidates(aws, cluster, labels)
            wanted = (
                each for each in services if labels.items() <= translate.labels(each.tags).items()
            )
            return await self._endpoints.of(aws, wanted)

        key = ("endpoints", cluster, tuple(sorted(labels.items())))
        return await self._shared.read(key, call, read)

    async def _all_machines(self, call: Call, cluster: str) -> list[Machine]:
        async def read(call: Call) -> list[Machine]:
            aws = self._client.for_call(call)
            described = await machines.describe(aws, cluster, await machines.ids_of(aws, cluster))
            tasks = [task for task in described if translate.is_alive(task)]
            return await machines.of_tasks(
                aws, cluster, tasks, await self._known_services(call, cluster, tasks)
            )

        return await self._shared.read((MACHINES, cluster), call, read)

    async def _known_services(self, call: Call, cluster: str, tasks: list[Task]) -> list[Service]:
        """Return the services of a listing that is used anyway."""
        if not (tasks and self._has_listing(call, SERVICES, cluster)):
            return []
        return await self._all_services(call, cluster)

    async def _all_services(self, call: Call, cluster: str) -> list[Service]:
        return await self._read(
            (SERVICES, cluster), call, lambda aws: controllers.of_cluster(aws, cluster)
        )

    async def _read(
        self,
        key: tuple[object, ...],
        call: Call,
        read: Callable[[BoundClient], Awaitable[Value]],
    ) -> Value:
        return await self._shared.read(key, call, lambda call: read(self._client.for_call(call)))

    def _has_listing(self, call: Call, kind: str, cluster: str) -> bool:
        """Tell whether a listing of the whole cluster may be read for one of its resources."""
        return self._shared.shares(call) and self._asked.get((kind, cluster)) is not None

    def _note(self, call: Call, listing: tuple[str, str], requests: int) -> None:
        """Note that a client has asked for a listing that took this number of requests."""
        if not self._shared.shares(call):
            return
        if requests <= MOST_REQUESTS:
            self._asked.put(listing, True)
        else:
            self._asked.forget(listing)
