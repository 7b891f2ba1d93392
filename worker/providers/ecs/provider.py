"""The operations on ECS: validation, requests, translation."""

from collections.abc import Sequence

from contracts import api
from contracts.faults import Code, Fault
from contracts.platform_access import Access
from contracts.resources import (
    Controller,
    Controllers,
    Deletion,
    Machine,
    MachineLabels,
    Object,
    OneController,
    ServiceEndpoint,
)
from worker.optional_methods import SharedReadsState
from worker.provider import Call
from worker.providers.ecs import access, controllers, labels, names, observed, translate
from worker.providers.ecs.aws.client import Client
from worker.providers.ecs.elb.target_groups import Vpcs
from worker.providers.ecs.endpoints import Endpoints
from worker.providers.ecs.reads import Reads
from worker.providers.ecs.routes.routing import Routing
from worker.providers.ecs.workloads import workload
from worker.providers.ecs.workloads.clean_up import clean_up
from worker.providers.ecs.workloads.provisioning import Region
from worker.providers.ecs.workloads.pull_secrets import SCRYPT_COST
from worker.providers.ecs.workloads.roll_out import RollOut
from worker.shared_reads import Limits, SharedReads


class EcsProvider:
    """The provider for one region of an account.

    `kind` and `apiVersion` are ignored: a cluster has one kind of controller.
    """

    def __init__(
        self, client: Client, shared: SharedReads | None = None, scrypt_cost: int = SCRYPT_COST
    ) -> None:
        """Without `shared` reads every query asks AWS.

        `scrypt_cost` is for the hashes of pull secrets; only tests give a lower one.
        """
        self._client = client
        self._shared = shared or SharedReads(Limits(seconds=0))
        self._routing = Routing(client, self._shared)
        endpoints = Endpoints(hostnames=client.settings.ecs_cloud_map_namespace_id is not None)
        self._reads = Reads(client, self._shared, endpoints)
        self._region = Region(client.settings, endpoints, Vpcs(), scrypt_cost)

    async def platform_access(self, scopes: Sequence[str], call: Call) -> Access:
        return await access.read(self._client.for_call(call), self._client.settings, scopes)

    def shared_reads_state(self) -> SharedReadsState:
        return self._shared.state()

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        cluster = names.cluster(operation.scope)
        return await self._reads.machine(call, cluster, names.task_id(operation.id, cluster))

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        cluster = names.cluster(operation.scope)
        wanted = names.labels(operation.labels)
        return await self._reads.machines(call, cluster, wanted)

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        cluster = names.cluster(operation.scope)
        id = names.task_id(operation.id, cluster)
        wanted = names.label_changes(operation.labels)
        await labels.change(self._client.for_call(call), call, cluster, id, wanted)
        return MachineLabels(labels=dict(wanted))

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        cluster = names.cluster(operation.scope)
        if operation.machine_id is None:
            found = await self._reads.services(call, cluster)
        else:
            id = names.task_id(operation.machine_id, cluster, "machineId")
            service = await self._reads.service_of_machine(call, cluster, id)
            found = [service] if service is not None else []
        return Controllers(controllers=[translate.controller(service) for service in found])

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        cluster = names.cluster(operation.scope)
        name = names.service_name(operation.name, cluster=cluster)
        return OneController(controller=await self._reads.controller(call, cluster, name))

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        cluster = names.cluster(operation.scope)
        name = names.service_name(operation.name, cluster=cluster)
        aws = self._client.for_call(call)
        service = await controllers.scale(aws, cluster, name, operation.replicas)
        call.observed(*observed.scaling(service))
        return translate.controller(service)

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        cluster = names.cluster(operation.scope)
        name = names.service_name(operation.name, cluster=cluster)
        aws = self._client.for_call(call)
        service = await controllers.delete(aws, cluster, name)
        is_deleted = service.status == controllers.INACTIVE
        before = observed.ABSENT if is_deleted else observed.service(service)
        call.observed(before, observed.ABSENT)
        rest = await clean_up(aws, call, self._client.settings, names.cluster_name(cluster), name)
        if is_deleted and not (rest.done or rest.left):
            raise controllers.absent(cluster, name)
        left = {"left": rest.left} if rest.left else {}
        call.observed(before, observed.ABSENT | left)
        return Deletion(name, True, rest.left).answer()

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        cluster = names.cluster(operation.scope)
        wanted = names.labels(operation.labels)
        if not wanted:
            raise Fault(Code.INVALID, "labels: expected at least one label, got none")
        return await self._reads.endpoints(call, cluster, wanted)

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        names.cluster(operation.scope)
        name = names.service_name(operation.name, cluster=operation.scope)
        # An ECS service is a controller, and delete_controller deletes it.
        call.observed(observed.UNKNOWN, observed.UNCHANGED)
        return Deletion(name, False).answer()

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        cluster = names.cluster(operation.scope)
        wanted = workload.read(operation.workload, cluster, self._client.settings)
        aws = self._client.for_call(call)
        rolled_out = await RollOut(aws, call, self._region, cluster, wanted).run()
        call.observed(*rolled_out.seen(wanted))
        return rolled_out.answer(wanted)

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        cluster = names.cluster(operation.scope)
        return await self._routing.gateways(call, cluster)

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        cluster = names.cluster(operation.scope)
        return await self._routing.apply(call, cluster, operation.plan)

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        cluster = names.cluster(operation.scope)
        return await self._routing.read(call, cluster, operation.name)

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        cluster = names.cluster(operation.scope)
        return await self._routing.delete(call, cluster, operation.name)
