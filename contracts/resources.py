"""The resources in replies, in the same shape for every provider.

The intelligent-command-center reads these shapes. A member without a value is absent, not null.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field, to_builtins

Object = dict[str, Any]
"""A JSON object in the platform's own format."""

Warnings = list[str] | UnsetType
"""Warnings of the platform or the provider that come with the result of a command."""

Labels = Annotated[dict[str, str], Meta(title="Labels", description="Label values by key.")]
SetLabels = Annotated[
    dict[str, str | None],
    Meta(title="SetLabels", description="Label values by key; null for a label that was removed."),
]
Amounts = Annotated[
    dict[str, str],
    Meta(title="ResourceAmounts", description='Such as `{"cpu": "500m", "memory": "1Gi"}`.'),
]
Metadata = Annotated[
    Object,
    Meta(
        title="ProviderMetadata",
        description="Members that identify the resource on its platform, such as `kind`.",
        extra_json_schema={"additionalProperties": True},
    ),
]


class Resource(Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """An object on a platform; its members are in camel case. It is never in a cycle."""


class ControllerReference(Resource, frozen=True):
    """The controller that runs a machine: the last in the chain of owner references."""

    name: str
    kind: str | UnsetType = UNSET
    api_version: str | UnsetType = UNSET


class Quantities(Resource, frozen=True):
    """Amounts in the platform's notation, such as `{"cpu": "500m", "memory": "1Gi"}`."""

    limits: Amounts = field(default_factory=dict)
    requests: Amounts = field(default_factory=dict)


class Machine(Resource, frozen=True):
    """A Kubernetes pod or an ECS task."""

    id: str
    status: str
    ready: bool
    labels: Labels
    start_time: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    image_digest: str | UnsetType = UNSET
    controller: ControllerReference | UnsetType = UNSET
    resources: Quantities | UnsetType = UNSET


class Controller(Resource, frozen=True):
    """A resource that keeps machines running, such as a Deployment or an ECS service."""

    name: str
    replicas: int
    labels: Labels
    provider_metadata: Metadata
    machines: list[Machine] | UnsetType = UNSET
    deleting: bool | UnsetType = UNSET
    """True while the controller is being deleted; it can no longer be scaled."""
    warnings: Warnings = UNSET


class OneController(Resource, frozen=True):
    """The envelope of a single controller."""

    controller: Controller


class Controllers(Resource, frozen=True):
    """The envelope of a list of controllers."""

    controllers: list[Controller]


class MachineLabels(Resource, frozen=True):
    """The labels that were set; null for a label that was removed."""

    labels: SetLabels
    warnings: Warnings = UNSET


class Deletion(Resource, frozen=True, omit_defaults=True):
    """The reply to every DELETE, on every platform.

    `deleted` is false if the platform has nothing to delete: on ECS, a service is deleted with its
    controller. `left` names objects that remain for now, and the reasons.
    """

    name: str
    deleted: bool
    left: list[str] = []
    warnings: Warnings = UNSET

    def answer(self) -> Object:
        """Return the deletion as a JSON object."""
        return to_builtins(self)  # type: ignore[no-any-return]  # a struct becomes a dict


class Port(Resource, frozen=True):
    """A port that a service listens on."""

    port: int
    protocol: str


class ServiceEndpoint(Resource, frozen=True):
    """The host name and ports of the machines behind a service."""

    name: str
    labels: Labels
    ports: list[Port]
    hostname: str | UnsetType = UNSET
