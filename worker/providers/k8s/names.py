"""Kubernetes' rules for names and labels, checked before a request is built.

Invalid names are refused and not only escaped, because the API server decodes `%2F` before it
routes: an escaped slash in a name would reach another resource.
"""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta

from contracts.checks.validation import checked

Namespace = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z",
        description="a namespace: at most 63 lower-case letters, digits and '-', "
        "with a letter or digit at both ends",
    ),
]

ObjectName = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z",
        description="a Kubernetes name: at most 253 lower-case letters, digits, '-' and '.', "
        "with a letter or digit at both ends of each part between dots",
    ),
]

ServiceName = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?\Z",
        description="a name that a Service can have: at most 63 lower-case letters, digits and "
        "'-', no dots, with a letter first and no '-' last",
    ),
]

DnsLabel = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z",
        description="a name that a Service can have: at most 63 lower-case letters, digits and "
        "'-', no dots, with a letter or digit at both ends",
    ),
]
"""The rule of newer clusters; older clusters refuse names that begin with a digit."""

LabelKey = Annotated[
    str,
    Meta(
        pattern=r"^((?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
        r"(?=[^/]{1,63}\Z)[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z",
        description="a Kubernetes label key: an optional lower-case DNS prefix and '/', then at "
        "most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    ),
]

LabelValue = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?\Z",
        description="a Kubernetes label value: at most 63 letters, digits, '-', '_' and '.', "
        "empty or with a letter or digit at both ends",
    ),
]

DataKey = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=r"^(?!\.\.|\.\Z)[A-Za-z0-9_.-]+\Z",
        description="a key that a Secret can have: at most 253 letters, digits, '-', '_' and '.', "
        "other than '.' and not beginning with '..'",
    ),
]


def namespace(scope: str) -> str:
    """Return the scope as a namespace, or raise the fault `invalid`."""
    return str(checked(scope, Namespace, "scope"))


def object_name(name: str, where: str) -> str:
    """Return the name of a pod or controller, or raise the fault `invalid`."""
    return str(checked(name, ObjectName, where))


def service_name(name: str, where: str) -> str:
    """Return a name that a new workload's Service can have, or raise the fault `invalid`."""
    return str(checked(name, ServiceName, where))


def dns_label(name: str, where: str) -> str:
    """Return the name of a Service, or raise the fault `invalid`."""
    return str(checked(name, DnsLabel, where))


def labels(wanted: dict[str, str], where: str = "labels") -> dict[str, str]:
    """Return the labels, or raise the fault `invalid` for the first wrong label."""
    label_changes(wanted, where)
    return wanted


def label_changes(
    wanted: Mapping[str, str | None], where: str = "labels"
) -> Mapping[str, str | None]:
    """Return labels to set or (None) to remove, or raise the fault `invalid`."""
    for key, value in wanted.items():
        checked(key, LabelKey, where)
        if value is not None:
            checked(value, LabelValue, f"{where}.{key}")
    return wanted


def path(api_version: str, namespace: str, plural: str, name: str | None = None) -> str:
    """Return the path of a resource; the core group has the root `api`."""
    root = "apis" if "/" in api_version else "api"
    where = f"/{root}/{api_version}/namespaces/{quote(namespace, safe='')}/{plural}"
    return where if name is None else f"{where}/{quote(name, safe='')}"


def namespace_path(namespace: str) -> str:
    """Return the path of a namespace."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}"
