"""The platform-neutral workload: its format, its checks and the labels derived from it."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from contracts.checks.members import require_known
from contracts.checks.validation import checked
from contracts.faults import Code, Fault
from contracts.field_types import IN_NO_LABEL
from contracts.neutral import quantities
from contracts.resources import Labels, Object

Text = Annotated[str, Meta(min_length=1)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0, le=150_000)]
VariableName = Annotated[
    str,
    Meta(
        pattern=r"^[^=\x00-\x1f\x7f]+\Z",
        description="the name of a variable: at least one character, no '=' or control characters",
    ),
]
VariableValue = Annotated[
    str, Meta(pattern=r"^[^\x00]*\Z", description="a text without a NUL character")
]

Path = Annotated[
    str,
    Meta(
        max_length=1024,
        pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*\Z",
        description="a path of a URL such as /status",
    ),
]

Image = Annotated[
    str,
    Meta(
        pattern=r"^[!-~]+\Z",
        description="the reference of an image such as registry.example/hello:2, without spaces",
    ),
]

IN_HOST = rf"[^{IN_NO_LABEL}\s./:=+@]+"
"""One label of a host name: letters and digits of every script, '-' and '_'."""

Hostname = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=rf"^(\*\.)?{IN_HOST}(\.{IN_HOST})*\.?(:[0-9]+)?\Z",
        description="a host name such as orders.example.org, at most 253 letters, digits, '-', '_' "
        "and single '.'; it may begin with '*.' and end with a port",
    ),
]

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
VERSION = "plt.dev/version"
HOSTNAME = "plt.dev/hostname"
WORKFLOW = "plt.dev/workflow"
MONITOR = "platformatic.dev/monitor"

LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
"""At most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends."""

UNUSED = "deploymentVersion"
"""A member that the control plane sends and no platform uses."""


class Part(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of the specification."""


class PullSecret(Part, frozen=True):
    """The credentials for an image registry."""

    registry: Text
    username: str
    password: str


class Ports(Part, frozen=True):
    """The ports of the application and of its metrics."""

    app: PortNumber = 3042
    metrics: PortNumber = 9090


WantedAmounts = Annotated[
    dict[str, str | int | float],
    Meta(title="WantedAmounts", description="Kubernetes quantities by resource."),
]


class Amounts(Part, frozen=True):
    """Requests and limits of resources, as Kubernetes quantities."""

    requests: WantedAmounts = {}
    limits: WantedAmounts = {}


PortName = Annotated[Literal["app", "metrics"], Meta(title="PortName")]


class HealthCheck(Part, frozen=True):
    """The paths and the port of the health checks of an application."""

    ready_path: str = "/"
    live_path: str = "/status"
    port: PortName = "app"


class Variable(Part, frozen=True):
    """One environment variable."""

    name: str
    value: str


class Workload(Part, frozen=True):
    """One version of an application; a member that is null counts as absent."""

    name: str
    image: Text
    app_name: str | None = None
    version: str | None = None
    deployment_version: str | None = None
    hostname: str | None = None
    is_workflow: bool = False
    min_replicas: Count | None = None
    max_replicas: Count | None = None
    pull_secret: PullSecret | None = None
    ports: Ports = Ports()
    resources: Amounts | None = None
    health_check: HealthCheck | None = None
    env: list[Variable] = []
    platform_env: list[Variable] = []
    labels: Labels = {}


def read(specification: Object) -> Workload:
    """Return the workload, or raise `invalid`; null counts as absent.

    An unknown member is an error, at any depth.
    """
    require_known(specification, Workload, "workload")
    given = {
        key: value for key, value in specification.items() if value is not None and key != UNUSED
    }
    workload: Workload = checked(given, Workload, "workload", secret=True)
    checked(workload.image, Image, "workload.image")
    if workload.hostname:
        checked(workload.hostname, Hostname, "workload.hostname")
    if workload.ports.app == workload.ports.metrics:
        raise Fault(Code.INVALID, "workload.ports: expected two different ports")
    if workload.resources is not None:
        amounts = workload.resources
        quantities.check(amounts.requests, amounts.limits, "workload.resources")
    if workload.health_check is not None:
        checked(workload.health_check.ready_path, Path, "workload.healthCheck.readyPath")
        checked(workload.health_check.live_path, Path, "workload.healthCheck.livePath")
    _check(workload.env, "workload.env")
    _check(workload.platform_env, "workload.platformEnv")
    return workload


def _check(variables: list[Variable], where: str) -> None:
    for number, each in enumerate(variables):
        checked(each.name, VariableName, f"{where}[{number}].name", secret=True)
        checked(each.value, VariableValue, f"{where}[{number}].value", secret=True)


def application(workload: Workload) -> str:
    """Return the name of the application that a workload is a version of."""
    return workload.app_name or workload.labels.get(NAME) or workload.name


def label_values(derived: Mapping[str, str | None]) -> dict[str, str]:
    """Return the derived labels that have a valid label value.

    Kubernetes' rule applies on every platform, so that the same labels find a workload everywhere.
    No value is shortened: a part of a host name or version is another host name or version.
    """
    return {
        key: value
        for key, value in derived.items()
        if value is not None and LABEL_VALUE.fullmatch(value)
    }


def labels(workload: Workload) -> dict[str, str]:
    """Return the labels of every object of a workload; labels from the caller take precedence."""
    derived = {
        NAME: application(workload),
        INSTANCE: workload.name,
        VERSION: workload.version,
        WORKFLOW: "true" if workload.is_workflow else None,
    }
    return label_values(derived) | workload.labels


def controller_labels(workload: Workload) -> dict[str, str]:
    """Return the labels of the controller: also the bounds for scaling."""
    bounds = {"min": workload.min_replicas, "max": workload.max_replicas}
    scaling = {
        f"icc.platformatic.dev/scaler-{end}": str(bound)
        for end, bound in bounds.items()
        if bound is not None
    }
    return scaling | labels(workload)


def machine_labels(workload: Workload) -> dict[str, str]:
    """Return the labels of the machines: also those that monitors and routers select by."""
    derived = {MONITOR: "prometheus", HOSTNAME: workload.hostname or None}
    return label_values(derived) | controller_labels(workload)


def variables(workload: Workload) -> dict[str, str]:
    """Return the environment variables; the last value of a name counts, as in a shell."""
    return {each.name: each.value for each in [*workload.env, *workload.platform_env]}


def first_size(workload: Workload) -> int:
    """Return the number of machines of a new workload; a later apply does not reset it."""
    return 1 if workload.min_replicas is None else workload.min_replicas
