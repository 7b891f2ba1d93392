"""Shapes of bodies and answers that the code passes on as JSON objects, for the documents alone.

A platform's own objects have more members than these, and every answer may get new ones.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from contracts.resources import SetLabels, Warnings

Free = Annotated[
    dict[str, Any],
    Meta(
        title="JsonObject",
        description="A JSON object in the platform's own words.",
        extra_json_schema={"additionalProperties": True},
    ),
]
Texts = Annotated[dict[str, str], Meta(title="TextsByName", description="Texts by their names.")]


class Shape(Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object; a member with the value UNSET may be absent."""


class OpenShape(Shape, frozen=True, kw_only=True):
    """An object of a platform, which has more members than are told here."""


class Metadata(OpenShape, frozen=True, kw_only=True):
    """The metadata of a manifest; what else Kubernetes has in it may be sent too."""

    name: str
    namespace: str | UnsetType = UNSET
    labels: Texts | UnsetType = UNSET
    annotations: Texts | UnsetType = UNSET


class ObjectMetadata(Metadata, frozen=True, kw_only=True):
    """The metadata of an object; Kubernetes answers with more, such as managedFields."""

    uid: str | UnsetType = UNSET
    resource_version: str | UnsetType = UNSET
    generation: int | UnsetType = UNSET
    creation_timestamp: str | UnsetType = UNSET


class ControllerKind(StrEnum):
    """The kinds of controllers that Kubernetes has here."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    REPLICA_SET = "ReplicaSet"
    REPLICATION_CONTROLLER = "ReplicationController"


class ControllerManifest(OpenShape, frozen=True, kw_only=True):
    """A controller in Kubernetes' words; `spec` is that of its kind."""

    api_version: str | UnsetType = UNSET
    kind: ControllerKind
    metadata: Metadata
    spec: Free


class ServiceManifest(OpenShape, frozen=True, kw_only=True):
    """A Service in Kubernetes' words."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    spec: Free


class SecretManifest(OpenShape, frozen=True, kw_only=True):
    """A Secret in Kubernetes' words: `data` in Base64, `stringData` as it is."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    type: str | UnsetType = UNSET
    immutable: bool | UnsetType = UNSET
    data: Texts | UnsetType = UNSET
    string_data: Texts | UnsetType = UNSET


class HttpRouteManifest(OpenShape, frozen=True, kw_only=True):
    """An HTTPRoute of the Gateway API."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    spec: Free


class AppliedController(OpenShape, frozen=True, kw_only=True):
    """A controller as the platform has it then; environment variables without their values."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    spec: Free
    status: Free | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedService(OpenShape, frozen=True, kw_only=True):
    """A Service as the platform has it then."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    spec: Free
    status: Free | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedSecret(OpenShape, frozen=True, kw_only=True):
    """What may be told of a Secret: none of its data."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    type: str | UnsetType = UNSET
    immutable: bool | UnsetType = UNSET
    warnings: Warnings = UNSET


class Routing(OpenShape, frozen=True, kw_only=True):
    """Where a route is attached, for which hosts, and where its rules lead."""

    parent_refs: list[Free] | UnsetType = UNSET
    hostnames: list[str] | UnsetType = UNSET
    rules: list[Free] | UnsetType = UNSET


class HttpRoute(OpenShape, frozen=True, kw_only=True):
    """A route as an HTTPRoute of the Gateway API.

    On ECS `appName` and `rules` tell the rules in the words of the route plan as well.
    """

    api_version: str
    kind: str
    metadata: ObjectMetadata
    spec: Routing
    status: Free | UnsetType = UNSET
    app_name: str | UnsetType = UNSET
    rules: list[Free] | UnsetType = UNSET
    warnings: Warnings = UNSET


class TrafficGateway(OpenShape, frozen=True, kw_only=True):
    """A Gateway of the Gateway API; on ECS the listener of a load balancer."""

    metadata: ObjectMetadata
    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    spec: Free | UnsetType = UNSET
    status: Free | UnsetType = UNSET
    provider_metadata: Free | UnsetType = UNSET


class AppliedLabels(Shape, frozen=True, kw_only=True):
    """The labels that were set; null where one was removed."""

    labels: SetLabels
    warnings: Warnings = UNSET


class Endpoint(Shape, frozen=True, kw_only=True):
    """Where an application is reached inside its platform."""

    hostname: str
    port: int


class AppliedWorkload(Shape, frozen=True, kw_only=True):
    """What a workload became; the ARNs are of ECS."""

    name: str
    created: bool
    endpoint: Endpoint | UnsetType = UNSET
    task_definition_arn: str | UnsetType = UNSET
    target_group_arn: str | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedRoutePlan(Shape, frozen=True, kw_only=True):
    """How many rules came into force, and how many went: none where nothing changed.

    `unhealthy` are the versions whose pins were left out, because none of their targets is healthy.
    """

    app_name: str
    created: int
    deleted: int
    unhealthy: list[str] | UnsetType = UNSET
    warnings: Warnings = UNSET
