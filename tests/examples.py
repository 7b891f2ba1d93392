"""An example operation and answer for every row of the table, and builders of messages."""

import time
from typing import Any

import msgspec

from contracts import CONTRACT, address, api, topology, wire
from contracts.operation import Operation
from contracts.resources import (
    Controller,
    ControllerReference,
    Controllers,
    Machine,
    MachineLabels,
    OneController,
    Port,
    ServiceEndpoint,
)
from contracts.wire import Message

SCOPE = "default"


def manifest(kind: str, name: str = "hello", **more: Any) -> dict[str, Any]:
    """Return a manifest."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def workload(name: str = "hello-v2", **more: Any) -> dict[str, Any]:
    """Return a workload with the required fields."""
    return {"name": name, "image": "registry.example/hello:2", **more}


def plan(app: str = "hello", **more: Any) -> dict[str, Any]:
    """Return a route plan that sends all requests to one version."""
    backend = {"serviceName": f"{app}-v2"}
    rule = {"match": {"kind": "default"}, "backend": backend, "versionId": "v2"}
    return {"appName": app, "hostname": f"{app}.example", "rules": [rule], **more}


_OPERATIONS: list[Operation[Any]] = [
    api.GetMachine(scope=SCOPE, id="hello-7d4b9-x2x7q"),
    api.GetMachines(scope=SCOPE, labels={"app": "hello", "tier": "web"}),
    api.SetMachineLabels(scope=SCOPE, id="hello-7d4b9-x2x7q", labels={"a": "b", "gone": None}),
    api.GetControllers(scope=SCOPE, machine_id="hello-7d4b9-x2x7q"),
    api.GetController(scope=SCOPE, name="hello", kind="Deployment", api_version="apps/v1"),
    api.UpdateControllerReplicas(scope=SCOPE, name="hello", replicas=3),
    api.ApplyController(scope=SCOPE, manifest=manifest("Deployment", spec={"replicas": 2})),
    api.DeleteController(scope=SCOPE, name="hello", kind="Deployment"),
    api.GetServicesByLabels(scope=SCOPE, labels={"app": "hello"}),
    api.ApplyService(scope=SCOPE, manifest=manifest("Service")),
    api.DeleteService(scope=SCOPE, name="hello"),
    api.ApplySecret(scope=SCOPE, manifest=manifest("Secret", stringData={"token": "t0p"})),
    api.ListGateways(scope=SCOPE),
    api.ApplyHttpRoute(scope=SCOPE, manifest=manifest("HTTPRoute")),
    api.GetHttpRoute(scope=SCOPE, name="hello"),
    api.DeleteHttpRoute(scope=SCOPE, name="hello"),
    api.ApplyWorkload(scope=SCOPE, workload=workload()),
    api.ApplyRoutePlan(scope=SCOPE, plan=plan()),
]

EXAMPLES = {operation.row.name: operation for operation in _OPERATIONS}

MACHINE = Machine(
    id="hello-7d4b9-x2x7q",
    status="running",
    ready=True,
    labels={"app": "hello"},
    controller=ControllerReference(name="hello", kind="Deployment", api_version="apps/v1"),
)
CONTROLLER = Controller(
    name="hello", replicas=3, labels={"app": "hello"}, provider_metadata={"kind": "Deployment"}
)
ENDPOINT = ServiceEndpoint(
    name="hello", labels={"app": "hello"}, ports=[Port(port=80, protocol="TCP")]
)

ANSWERS: dict[str, Any] = {
    "get_machine": MACHINE,
    "get_machines": [MACHINE],
    "set_machine_labels": MachineLabels(labels={"a": "b", "gone": None}),
    "get_controllers": Controllers(controllers=[CONTROLLER]),
    "get_controller": OneController(controller=CONTROLLER),
    "update_controller_replicas": CONTROLLER,
    "apply_controller": manifest("Deployment"),
    "delete_controller": {"status": "Success"},
    "get_services_by_labels": [ENDPOINT],
    "apply_service": manifest("Service"),
    "delete_service": {"status": "Success"},
    "apply_secret": manifest("Secret"),
    "list_gateways": [manifest("Gateway")],
    "apply_http_route": manifest("HTTPRoute"),
    "get_http_route": manifest("HTTPRoute"),
    "delete_http_route": {"status": "Success"},
    "apply_workload": {"name": "hello-v2", "created": True},
    "apply_route_plan": {"appName": "hello"},
}


def message_of(operation: Operation[Any], provider: str = "k8s", **changes: Any) -> Message:
    """Return the unsealed message that a gateway publishes for an operation, with changes."""
    row = operation.row
    milliseconds = 10_000
    message = Message(
        exchange=topology.QUERIES if row.safe else topology.COMMANDS,
        key=address.routing_key(provider, row, address.address(operation)),
        body=wire.encode(operation),
        type=row.name,
        message_id="1f0e",
        correlation_id="1f0e",
        reply_to="machinist.replies.test.1",
        expiration=milliseconds,
        timestamp=int(time.time()),
        user_id="gateway",
        persistent=not row.safe,
        headers={
            wire.HEADER_CONTRACT: CONTRACT,
            wire.HEADER_DEADLINE: int(time.time() * 1000) + milliseconds,
        },
    )
    return msgspec.structs.replace(message, **changes)
