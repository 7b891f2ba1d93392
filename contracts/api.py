"""The table: every operation of the API, each defined once.

The fields of a struct are the parameters of the operation. The decorator `http` holds its other
properties: HTTP route, collection, sealing, rules for events (`contracts.operation` describes the
columns). HTTP routes, routing keys, dispatch, the rules for events, and the OpenAPI and AsyncAPI
documents are derived from this table.
"""

from contracts import shapes
from contracts.field_types import (
    ApiVersion,
    Kind,
    LabelChanges,
    Labels,
    Manifest,
    Name,
    Replicas,
    RoutePlanBody,
    WorkloadBody,
)
from contracts.neutral import route_plan, workload
from contracts.operation import OPERATIONS as OPERATIONS
from contracts.operation import Operation, http
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


@http("GET", "/machines/{scope}/{id}", collection="machines", subject="id")
class GetMachine(Operation[Machine], frozen=True):
    """Describe one machine."""

    scope: Name
    id: Name


@http("GET", "/machines/{scope}", collection="machines")
class GetMachines(Operation[list[Machine]], frozen=True):
    """List the machines of a scope, or the machines that carry all the labels."""

    scope: Name
    labels: Labels = {}  # noqa: RUF012  # msgspec copies the default for each struct


@http(
    "PATCH",
    "/machines/{scope}/{id}/labels",
    collection="machines",
    subject="id",
    body=("labels",),
    access="scale",
    from_producers=True,
    gives=shapes.AppliedLabels,
)
class SetMachineLabels(Operation[MachineLabels], frozen=True):
    """Set labels of one machine; null removes a label, other labels stay as they are."""

    scope: Name
    id: Name
    labels: LabelChanges


@http("GET", "/controllers/{scope}", collection="controllers")
class GetControllers(Operation[Controllers], frozen=True):
    """List the controllers of a scope, or the controller that runs a machine."""

    scope: Name
    machine_id: Name | None = None


@http("GET", "/controllers/{scope}/{name}", collection="controllers", subject="name")
class GetController(Operation[OneController], frozen=True):
    """Describe one controller with its machines."""

    scope: Name
    name: Name
    kind: Kind | None = None
    api_version: ApiVersion | None = None


@http(
    "POST",
    "/controllers/{scope}/{name}",
    collection="controllers",
    subject="name",
    body=("replicas",),
    access="scale",
    from_producers=True,
    collapses="replicas",
)
class UpdateControllerReplicas(Operation[Controller], frozen=True):
    """Scale a controller to an absolute number of machines."""

    scope: Name
    name: Name
    replicas: Replicas
    kind: Kind | None = None
    api_version: ApiVersion | None = None


@http(
    "PUT",
    "/controllers/{scope}",
    collection="controllers",
    subject="manifest.metadata.name",
    body="manifest",
    seal=True,
    instead="apply_workload",
    takes=shapes.ControllerManifest,
    gives=shapes.AppliedController,
)
class ApplyController(Operation[Object], frozen=True):
    """Create or update a controller from the platform's own manifest."""

    scope: Name
    manifest: Manifest


@http(
    "DELETE",
    "/controllers/{scope}/{name}",
    collection="controllers",
    subject="name",
    gives=Deletion,
)
class DeleteController(Operation[Object], frozen=True):
    """Delete a controller and its machines."""

    scope: Name
    name: Name
    kind: Kind | None = None
    api_version: ApiVersion | None = None


@http("GET", "/services/{scope}", collection="services")
class GetServicesByLabels(Operation[list[ServiceEndpoint]], frozen=True):
    """List the endpoints of the services that carry all the labels."""

    scope: Name
    labels: Labels


@http(
    "PUT",
    "/services/{scope}",
    collection="services",
    subject="manifest.metadata.name",
    body="manifest",
    instead="apply_workload",
    takes=shapes.ServiceManifest,
    gives=shapes.AppliedService,
)
class ApplyService(Operation[Object], frozen=True):
    """Create or update a service from the platform's own manifest."""

    scope: Name
    manifest: Manifest


@http(
    "DELETE",
    "/services/{scope}/{name}",
    collection="services",
    subject="name",
    gives=Deletion,
)
class DeleteService(Operation[Object], frozen=True):
    """Delete a service."""

    scope: Name
    name: Name


@http(
    "PUT",
    "/secrets/{scope}",
    collection="secrets",
    subject="manifest.metadata.name",
    body="manifest",
    access="secrets",
    seal=True,
    secret="manifest",
    instead="apply_workload",
    takes=shapes.SecretManifest,
    gives=shapes.AppliedSecret,
)
class ApplySecret(Operation[Object], frozen=True):
    """Create or update a secret; the answer holds none of its data."""

    scope: Name
    manifest: Manifest


@http(
    "GET",
    "/gateway/gateways/{scope}",
    collection="gateways",
    gives=list[shapes.TrafficGateway],
)
class ListGateways(Operation[list[Object]], frozen=True):
    """List the traffic gateways that routes of a scope can attach to."""

    scope: Name


@http(
    "PUT",
    "/gateway/httproutes/{scope}",
    collection="httproutes",
    subject="manifest.metadata.name",
    body="manifest",
    instead="apply_route_plan",
    takes=shapes.HttpRouteManifest,
    gives=shapes.HttpRoute,
)
class ApplyHttpRoute(Operation[Object], frozen=True):
    """Create or update an HTTPRoute from its manifest."""

    scope: Name
    manifest: Manifest


@http(
    "GET",
    "/gateway/httproutes/{scope}/{name}",
    collection="httproutes",
    subject="name",
    gives=shapes.HttpRoute,
)
class GetHttpRoute(Operation[Object], frozen=True):
    """Describe the route of an application."""

    scope: Name
    name: Name


@http(
    "DELETE",
    "/gateway/httproutes/{scope}/{name}",
    collection="httproutes",
    subject="name",
    gives=Deletion,
)
class DeleteHttpRoute(Operation[Object], frozen=True):
    """Delete the route of an application."""

    scope: Name
    name: Name


@http(
    "PUT",
    "/workloads/{scope}",
    collection="controllers",
    subject="workload.name",
    body="workload",
    seal=True,
    secret="workload.pullSecret",
    takes=workload.Workload,
    gives=shapes.AppliedWorkload,
)
class ApplyWorkload(Operation[Object], frozen=True):
    """Create or update an application from a specification that every platform understands."""

    scope: Name
    workload: WorkloadBody


@http(
    "PUT",
    "/gateway/routeplans/{scope}",
    collection="httproutes",
    subject="plan.appName",
    body="plan",
    takes=route_plan.RoutePlan,
    gives=shapes.AppliedRoutePlan,
)
class ApplyRoutePlan(Operation[Object], frozen=True):
    """Route an application's traffic by a plan that every platform understands."""

    scope: Name
    plan: RoutePlanBody
