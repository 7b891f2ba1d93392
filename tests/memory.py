"""A provider with every operation on a platform in memory, without I/O."""

from typing import Any, TypeVar

import msgspec

from contracts import api
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.resources import (
    Controller,
    ControllerReference,
    Controllers,
    Machine,
    MachineLabels,
    Object,
    OneController,
    Port,
    ServiceEndpoint,
)
from worker.provider import Call

Stored = TypeVar("Stored")
Key = tuple[str, str]  # scope and name


class MemoryProvider:
    """A platform that starts empty; controllers of all kinds share one set of names.

    `calls` are the requested operations, in order. Each of the next calls raises one of
    `failures`.
    """

    def __init__(self) -> None:
        self.calls: list[Operation[Any]] = []
        self.failures: list[Exception] = []
        self.machines: dict[Key, Machine] = {}
        self.controllers: dict[Key, Object] = {}
        self.services: dict[Key, Object] = {}
        self.secrets: dict[Key, Object] = {}
        self.gateways: dict[str, list[Object]] = {}
        self.routes: dict[Key, Object] = {}
        self.plans: dict[Key, Object] = {}

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        self._begin(operation)
        return _found(self.machines, operation.scope, operation.id, "machine")

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        self._begin(operation)
        machines = _of_scope(self.machines, operation.scope)
        return [
            machine for machine in machines if operation.labels.items() <= machine.labels.items()
        ]

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        self._begin(operation)
        machine = _found(self.machines, operation.scope, operation.id, "machine")
        merged = machine.labels | operation.labels
        labels = {key: value for key, value in merged.items() if value is not None}
        self.machines[operation.scope, operation.id] = msgspec.structs.replace(
            machine, labels=labels
        )
        return MachineLabels(labels=operation.labels)

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        self._begin(operation)
        controllers = [_described(each) for each in _of_scope(self.controllers, operation.scope)]
        if operation.machine_id is not None:
            machine = _found(self.machines, operation.scope, operation.machine_id, "machine")
            controllers = [each for each in controllers if _runs(each.name, machine)]
        return Controllers(controllers=controllers)

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        self._begin(operation)
        manifest = self._controller(operation)
        machines = _of_scope(self.machines, operation.scope)
        own = [machine for machine in machines if _runs(operation.name, machine)]
        return OneController(controller=msgspec.structs.replace(_described(manifest), machines=own))

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        self._begin(operation)
        manifest = self._controller(operation)
        before = manifest["spec"]["replicas"]
        self._scale(operation.scope, manifest, operation.replicas)
        call.observed({"replicas": before}, {"replicas": operation.replicas})
        return _described(manifest)

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        self._begin(operation)
        return self._apply(operation.scope, operation.manifest)

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        self._begin(operation)
        manifest = self._controller(operation)
        self._scale(operation.scope, manifest, 0)
        return self.controllers.pop((operation.scope, operation.name))

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        self._begin(operation)
        endpoints = [_endpoint(service) for service in _of_scope(self.services, operation.scope)]
        return [each for each in endpoints if operation.labels.items() <= each.labels.items()]

    async def apply_service(self, operation: api.ApplyService, call: Call) -> Object:
        self._begin(operation)
        return _applied(self.services, operation.scope, operation.manifest)

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        self._begin(operation)
        _found(self.services, operation.scope, operation.name, "service")
        return self.services.pop((operation.scope, operation.name))

    async def apply_secret(self, operation: api.ApplySecret, call: Call) -> Object:
        self._begin(operation)
        stored = _applied(self.secrets, operation.scope, operation.manifest)
        return {key: stored[key] for key in stored if key not in {"data", "stringData"}}

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        self._begin(operation)
        return self.gateways.get(operation.scope, [])

    async def apply_http_route(self, operation: api.ApplyHttpRoute, call: Call) -> Object:
        self._begin(operation)
        return _applied(self.routes, operation.scope, operation.manifest)

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        self._begin(operation)
        return _found(self.routes, operation.scope, operation.name, "route")

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        self._begin(operation)
        _found(self.routes, operation.scope, operation.name, "route")
        return self.routes.pop((operation.scope, operation.name))

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        self._begin(operation)
        workload = operation.workload
        created = (operation.scope, workload["name"]) not in self.controllers
        metadata = {"name": workload["name"], "labels": workload.get("labels", {})}
        spec = {"replicas": workload.get("minReplicas") or 1} if created else {}
        self._apply(operation.scope, {"metadata": metadata, "spec": spec})
        return {"name": workload["name"], "created": created}

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        self._begin(operation)
        name = operation.plan["appName"]
        former = self.plans.get((operation.scope, name), {})
        if operation.plan.get("generation", 0) < former.get("generation", 0):
            raise Fault(Code.CONFLICT, f"a newer plan of {name} is in place")
        self.plans[operation.scope, name] = operation.plan
        return {
            "appName": name,
            "deleted": len(former.get("rules", [])),
            "created": len(operation.plan.get("rules", [])),
        }

    def _begin(self, operation: Operation[Any]) -> None:
        self.calls.append(operation)
        if self.failures:
            raise self.failures.pop(0)

    def _controller(
        self, operation: api.GetController | api.UpdateControllerReplicas | api.DeleteController
    ) -> Object:
        manifest = _found(self.controllers, operation.scope, operation.name, "controller")
        if operation.kind not in {None, manifest.get("kind", operation.kind)}:
            raise _absent(operation.scope, operation.name, operation.kind or "controller")
        return manifest

    def _apply(self, scope: str, manifest: Object) -> Object:
        former = self.controllers.get((scope, manifest["metadata"]["name"]), {"spec": {}})
        applied = _applied(self.controllers, scope, manifest)
        spec = applied.setdefault("spec", {})
        self._scale(scope, applied, spec.get("replicas", former["spec"].get("replicas", 1)))
        return applied

    def _scale(self, scope: str, manifest: Object, replicas: int) -> None:
        """Start or remove machines until the controller has this number."""
        name = manifest["metadata"]["name"]
        own = [key for key, each in self.machines.items() if key[0] == scope and _runs(name, each)]
        for key in own[replicas:]:
            del self.machines[key]
        for number in range(len(own), replicas):
            self.machines[scope, f"{name}-{number}"] = _machine(f"{name}-{number}", manifest)
        manifest["spec"]["replicas"] = replicas


def _machine(identity: str, manifest: Object) -> Machine:
    return Machine(
        id=identity,
        status="Running",
        ready=True,
        labels=dict(manifest["metadata"].get("labels", {})),
        controller=ControllerReference(name=manifest["metadata"]["name"]),
    )


def _runs(name: str, machine: Machine) -> bool:
    return machine.controller == ControllerReference(name=name)


def _described(manifest: Object) -> Controller:
    return Controller(
        name=manifest["metadata"]["name"],
        replicas=manifest["spec"]["replicas"],
        labels=manifest["metadata"].get("labels", {}),
        provider_metadata={key: manifest[key] for key in ("kind", "apiVersion") if key in manifest},
    )


def _endpoint(service: Object) -> ServiceEndpoint:
    ports = service.get("spec", {}).get("ports", [])
    return ServiceEndpoint(
        name=service["metadata"]["name"],
        labels=service["metadata"].get("labels", {}),
        ports=[Port(port=each["port"], protocol=each.get("protocol", "TCP")) for each in ports],
    )


def _applied(stored: dict[Key, Object], scope: str, manifest: Object) -> Object:
    """Store a copy; raise `conflict` if the manifest has an older resource version."""
    name = manifest["metadata"]["name"]
    version = int(stored.get((scope, name), {}).get("metadata", {}).get("resourceVersion", "0"))
    if manifest["metadata"].get("resourceVersion", str(version)) != str(version):
        raise Fault(Code.CONFLICT, f"{name} has been changed since it was read")
    metadata = manifest["metadata"] | {"resourceVersion": str(version + 1)}
    copy = msgspec.json.decode(msgspec.json.encode(manifest | {"metadata": metadata}), type=Object)
    stored[scope, name] = copy
    return copy


def _found(stored: dict[Key, Stored], scope: str, name: str, kind: str) -> Stored:
    try:
        return stored[scope, name]
    except KeyError as error:
        raise _absent(scope, name, kind) from error


def _absent(scope: str, name: str, kind: str) -> Fault:
    return Fault(Code.NOT_FOUND, f"there is no {kind} {name!r} in {scope!r}")


def _of_scope(stored: dict[Key, Stored], scope: str) -> list[Stored]:
    return [value for (where, _), value in stored.items() if where == scope]
