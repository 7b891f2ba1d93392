"""A provider with every operation, for the tests of the worker."""

from collections.abc import Awaitable, Callable
from typing import Any

from contracts import api
from contracts.operation import Operation, Result
from contracts.resources import (
    Controller,
    Controllers,
    Machine,
    MachineLabels,
    Object,
    OneController,
    ServiceEndpoint,
)
from tests.examples import ANSWERS
from worker.optional_methods import SharedReadsState
from worker.provider import Call

Behaviour = Callable[[Operation[Any], Call], Awaitable[Any]]


async def answer(operation: Operation[Any], call: Call) -> Any:
    """Return the result of the operation's example."""
    return ANSWERS[operation.row.name]


class FullProvider:
    """A provider with every operation and a behaviour from the test; records the operations."""

    def __init__(self, behaviour: Behaviour = answer) -> None:
        self._behaviour = behaviour
        self.operations: list[Operation[Any]] = []

    async def _do(self, operation: Operation[Result], call: Call) -> Result:
        self.operations.append(operation)
        result: Result = await self._behaviour(operation, call)
        return result

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        return await self._do(operation, call)

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        return await self._do(operation, call)

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        return await self._do(operation, call)

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        return await self._do(operation, call)

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        return await self._do(operation, call)

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        return await self._do(operation, call)

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        return await self._do(operation, call)

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        return await self._do(operation, call)

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        return await self._do(operation, call)

    async def apply_service(self, operation: api.ApplyService, call: Call) -> Object:
        return await self._do(operation, call)

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        return await self._do(operation, call)

    async def apply_secret(self, operation: api.ApplySecret, call: Call) -> Object:
        return await self._do(operation, call)

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        return await self._do(operation, call)

    async def apply_http_route(self, operation: api.ApplyHttpRoute, call: Call) -> Object:
        return await self._do(operation, call)

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        return await self._do(operation, call)

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        return await self._do(operation, call)

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        return await self._do(operation, call)

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        return await self._do(operation, call)


class SharingProvider(FullProvider):
    """A provider whose queries share reads."""

    def shared_reads_state(self) -> SharedReadsState:
        return SharedReadsState()
