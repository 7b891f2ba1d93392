"""Shapes of request and reply bodies that pass as JSON objects; used by the documents only.

Objects of a platform have more members than these shapes, and a new version may add members.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from contracts.resources import SetLabels, Warnings

Free = Annotated[
    dict[str, Any],
    Meta(
        title="JsonObject",
        description="A JSON object in the platform's own format.",
        extra_json_schema={"additionalProperties": True},
    ),
]
Texts = Annotated[dict[str, str], Meta(title="TextsByName", description="Strings by name.")]


class Shape(Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object; a member with the value UNSET may be absent."""


class OpenShape(Shape, frozen=True, kw_only=True):
    """An object of a platform; it has more members than this shape."""


class Metadata(OpenShape, frozen=True, kw_only=True):
    """The metadata of a manifest; other members of Kubernetes' metadata are accepted."""

    name: str
    namespace: str | UnsetType = UNSET
    labels: Texts | UnsetType = UNSET
    annotations: Texts | UnsetType = UNSET


class ObjectMetadata(Metadata, frozen=True, kw_only=True):
    """The metadata of an object; Kubernetes returns more members, such as managedFields."""

    uid: str | UnsetType = UNSET
    resource_version: str | UnsetType = UNSET
    generation: int | UnsetType = UNSET
    creation_timestamp: str | UnsetType = UNSET


class ControllerKind(StrEnum):
    """The supported kinds of Kubernetes controllers."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    REPLICA_SET = "ReplicaSet"
    REPLICATION_CONTROLLER = "ReplicationController"


class ControllerManifest(OpenShape, frozen=True, kw_only=True):
    """The Kubernetes manifest of a controller; the shape of `spec` depends on the kind."""

    api_version: str | UnsetType = UNSET
    kind: ControllerKind
    metadata: Metadata
    spec: Free


class ServiceManifest(OpenShape, frozen=True, kw_only=True):
    """The Kubernetes manifest of a Service."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    spec: Free


class SecretManifest(OpenShape, frozen=True, kw_only=True):
    """The Kubernetes manifest of a Secret: `data` in Base64, `stringData` in plain text."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    type: str | UnsetType = UNSET
    immutable: bool | UnsetType = UNSET
    data: Texts | UnsetType = UNSET
    string_data: Texts | UnsetType = UNSET


class HttpRouteManifest(OpenShape, frozen=True, kw_only=True):
    """The manifest of an HTTPRoute of the Gateway API."""

    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    metadata: Metadata
    spec: Free


class AppliedController(OpenShape, frozen=True, kw_only=True):
    """The applied controller as the platform returns it, environment variables without values."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    spec: Free
    status: Free | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedService(OpenShape, frozen=True, kw_only=True):
    """The applied Service as the platform returns it."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    spec: Free
    status: Free | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedSecret(OpenShape, frozen=True, kw_only=True):
    """The applied Secret, without its data."""

    api_version: str
    kind: str
    metadata: ObjectMetadata
    type: str | UnsetType = UNSET
    immutable: bool | UnsetType = UNSET
    warnings: Warnings = UNSET


class Routing(OpenShape, frozen=True, kw_only=True):
    """The gateways that a route is attached to, its host names and its rules."""

    parent_refs: list[Free] | UnsetType = UNSET
    hostnames: list[str] | UnsetType = UNSET
    rules: list[Free] | UnsetType = UNSET


class HttpRoute(OpenShape, frozen=True, kw_only=True):
    """A route as an HTTPRoute of the Gateway API.

    On ECS `appName` and `rules` repeat the rules in the format of the route plan.
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
    """A Gateway of the Gateway API; on ECS, a listener of a load balancer."""

    metadata: ObjectMetadata
    api_version: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    spec: Free | UnsetType = UNSET
    status: Free | UnsetType = UNSET
    provider_metadata: Free | UnsetType = UNSET


class AppliedLabels(Shape, frozen=True, kw_only=True):
    """The labels that were set; null for a label that was removed."""

    labels: SetLabels
    warnings: Warnings = UNSET


class Endpoint(Shape, frozen=True, kw_only=True):
    """The host and port of an application inside its platform."""

    hostname: str
    port: int


class AppliedWorkload(Shape, frozen=True, kw_only=True):
    """The result of applying a workload; only ECS returns ARNs."""

    name: str
    created: bool
    endpoint: Endpoint | UnsetType = UNSET
    task_definition_arn: str | UnsetType = UNSET
    target_group_arn: str | UnsetType = UNSET
    warnings: Warnings = UNSET


class AppliedRoutePlan(Shape, frozen=True, kw_only=True):
    """The numbers of rules that were created and deleted; both are 0 if nothing changed.

    `unhealthy` lists versions without a healthy target: rules that pin requests to them were left
    out.
    """

    app_name: str
    created: int
    deleted: int
    unhealthy: list[str] | UnsetType = UNSET
    warnings: Warnings = UNSET
