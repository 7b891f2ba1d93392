"""What comes back: the resources that every provider describes its platform with.

Shapes are those that the intelligent-command-center reads; what is unknown is left out, not null.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

Object = dict[str, Any]
"""A JSON object in the platform's own words."""

Warnings = list[str] | UnsetType
"""What the platform or the provider says beside the result of a command, left out if nothing."""


class Resource(Struct, frozen=True, rename="camel", kw_only=True):
    """Something on a platform, as JSON in camel case."""


class ControllerReference(Resource, frozen=True):
    """Who runs a machine: the top of its chain of owners."""

    name: str
    kind: str | UnsetType = UNSET
    api_version: str | UnsetType = UNSET


class Quantities(Resource, frozen=True):
    """Amounts in the platform's notation, such as `{"cpu": "500m", "memory": "1Gi"}`."""

    limits: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)


class Machine(Resource, frozen=True):
    """A Kubernetes pod, an ECS task."""

    id: str
    status: str
    ready: bool
    labels: dict[str, str]
    start_time: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    image_digest: str | UnsetType = UNSET
    controller: ControllerReference | UnsetType = UNSET
    resources: Quantities | UnsetType = UNSET


class Controller(Resource, frozen=True):
    """What keeps a number of machines running: a Deployment and its like, an ECS service."""

    name: str
    replicas: int
    labels: dict[str, str]
    provider_metadata: Object
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

    labels: dict[str, str | None]
    warnings: Warnings = UNSET


class Port(Resource, frozen=True):
    """A port that a service listens on."""

    port: int
    protocol: str


class ServiceEndpoint(Resource, frozen=True):
    """Where the machines behind a service are reached."""

    name: str
    labels: dict[str, str]
    ports: list[Port]
    hostname: str | UnsetType = UNSET
