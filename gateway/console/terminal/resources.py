"""Tables of the resources in replies; a column is a header and a path into the JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from contracts.operation import Collection
from gateway.console.terminal.output import note, print_table

AGE = "AGE"
"""The header of a column with a time, which is shown as an age."""

COLUMNS: dict[Collection, dict[str, str]] = {
    "machines": {
        "ID": "id",
        "STATUS": "status",
        "READY": "ready",
        AGE: "startTime",
        "CONTROLLER": "controller.name",
        "LABELS": "labels",
    },
    "controllers": {
        "NAME": "name",
        "KIND": "providerMetadata.kind",
        "REPLICAS": "replicas",
        "LABELS": "labels",
    },
    "services": {
        "NAME": "name",
        "HOSTNAME": "hostname",
        "PORTS": "ports.port",
        "LABELS": "labels",
    },
    "gateways": {
        "NAME": "metadata.name",
        "NAMESPACE": "metadata.namespace",
        "CLASS": "spec.gatewayClassName",
        "LISTENERS": "spec.listeners.name",
        "ADDRESSES": "status.addresses.value",
    },
    "httproutes": {
        "NAME": "metadata.name",
        "HOSTNAMES": "spec.hostnames",
        "GATEWAYS": "spec.parentRefs.name",
        "BACKENDS": "spec.rules.backendRefs.name",
    },
}
ENVELOPES = ("controllers", "controller")
"""Members of replies that contain the resources."""

UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def print_resources(collection: Collection, reply: Any) -> None:
    """Print the resources in a reply, and the machines of a single controller."""
    found = reply
    for name in ENVELOPES:
        if isinstance(found, dict) and found.keys() == {name}:
            found = found[name]
    resources = found if isinstance(found, list) else [found]
    if not resources:
        note(f"no {collection} found")
        return
    columns = COLUMNS.get(collection, {"NAME": "name"})
    rows = [[text(header, each, path) for header, path in columns.items()] for each in resources]
    flexible = [number for number, path in enumerate(columns.values()) if path == "labels"]
    print_table(list(columns), rows, flexible)
    if isinstance(found, dict) and isinstance(found.get("machines"), list):
        print_resources("machines", found["machines"])


def text(header: str, resource: Any, path: str) -> str:
    """Return the values at a path of a resource as text, "-" without a value."""
    values = [each for each in _at(resource, path.split(".")) if each not in (None, {}, "")]
    if header == AGE and values:
        return _age(str(values[0]), datetime.now(UTC))
    return ",".join(map(_text, values)) or "-"


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _at(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        yield from _at(value.get(path[0]), path[1:])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in value.items())
    return str(value)


def _age(since: str, now: datetime) -> str:
    """Return the time since a time in RFC 3339 in its largest unit, such as 5d; else the text."""
    try:
        seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    except (ValueError, TypeError):
        return since
    return next((f"{seconds // size}{unit}" for unit, size in UNITS if seconds >= size), "0s")
