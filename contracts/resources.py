"""What comes back: the resources that every provider describes its platform with.

Shapes are those that the intelligent-command-center reads; what is unknown is left out, not null.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field, to_builtins

Object = dict[str, Any]
"""A JSON object in the platform's own words."""

Warnings = list[str] | UnsetType
"""Warnings of the platform or the provider beside the result of a command, if there are any."""

Labels = Annotated[dict[str, str], Meta(title="Labels", description="Labels by their keys.")]
SetLabels = Annotated[
    dict[str, str | None],
    Meta(title="SetLabels", description="Labels by their keys; null where one was removed."),
]
Amounts = Annotated[
    dict[str, str],
    Meta(title="ResourceAmounts", description='Such as `{"cpu": "500m", "memory": "1Gi"}`.'),
]
Metadata = Annotated[
    Object,
    Meta(
        title="ProviderMetadata",
        description="What finds the thing again on its platform, such as `kind` and `apiVersion`.",
        extra_json_schema={"additionalProperties": True},
    ),
]


class Resource(Struct, frozen=True, rename="camel", kw_only=True):
    """Something on a platform, as JSON in camel case."""


class ControllerReference(Resource, frozen=True):
    """Who runs a machine: the top of its chain of owners."""

    name: str
    kind: str | UnsetType = UNSET
    api_version: str | UnsetType = UNSET


class Quantities(Resource, frozen=True):
    """Amounts in the platform's notation, such as `{"cpu": "500m", "memory": "1Gi"}`."""

    limits: Amounts = field(default_factory=dict)
    requests: Amounts = field(default_factory=dict)


class Machine(Resource, frozen=True):
    """A Kubernetes pod, an ECS task."""

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
    """What keeps a number of machines running: a Deployment and its like, an ECS service."""

    name: str
    replicas: int
    labels: Labels
    provider_metadata: Metadata
    machines: list[Machine] | UnsetType = UNSET
    deleting: bool | UnsetType = UNSET
    """True while it is being deleted and not gone yet: nothing scales it any more."""
    warnings: Warnings = UNSET


class OneController(Resource, frozen=True):
    """The envelope of a single controller."""

    controller: Controller


class Controllers(Resource, frozen=True):
    """The envelope of a list of controllers."""

    controllers: list[Controller]


class MachineLabels(Resource, frozen=True):
    """The labels that were set; null where one was removed."""

    labels: SetLabels
    warnings: Warnings = UNSET


class Deletion(Resource, frozen=True, omit_defaults=True):
    """The answer to every DELETE, on every platform.

    `deleted` is false where the platform has nothing to delete: an ECS service goes with its
    controller. `left` says what stays for now, and why.
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
    """Where the machines behind a service are reached."""

    name: str
    labels: Labels
    ports: list[Port]
    hostname: str | UnsetType = UNSET
