"""Summaries of operations with a sealed body, without secret values."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from contracts.operation import Operation
from contracts.resources import Labels

PLAIN = re.compile(r"[A-Za-z0-9._:/@-]{0,255}")
"""The format of images, labels and names; any other text may be a misplaced secret."""

MOST = 100
"""The maximal number of entries in each list of a summary."""

SECRET_MEMBERS = ("data", "stringData")
VARIABLES = ("env", "platformEnv")
CONTAINERS = ("initContainers", "containers")


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Images, replicas, labels, and the names of environment variables and secret keys."""

    images: list[str] = []
    replicas: int | None = None
    labels: Labels = {}
    environment: list[str] = []
    secret_keys: list[str] = []


def summary_of(operation: Operation[Any]) -> Summary:
    """Return the summary of an operation whose body is one manifest or one workload."""
    row = operation.row
    body = _object(getattr(operation, row.body)) if isinstance(row.body, str) else {}
    spec = _object(body.get("spec"))
    pod = _object(_object(spec.get("template")).get("spec"))
    containers = [each for name in CONTAINERS for each in _objects(pod.get(name))]
    labels = _object(_object(body.get("metadata")).get("labels")) | _object(body.get("labels"))
    replicas = spec.get("replicas", body.get("minReplicas"))
    return Summary(
        images=_texts(each.get("image") for each in (*containers, body)),
        replicas=replicas if type(replicas) is int else None,
        labels={key: value for key, value in labels.items() if _is_plain(value)},
        environment=_texts(
            variable.get("name")
            for holder in (*containers, body)
            for name in VARIABLES
            for variable in _objects(holder.get(name))
        ),
        secret_keys=_texts(_secret_keys(body)),
    )


def _secret_keys(body: dict[str, Any]) -> Iterator[str]:
    if "pullSecret" in body:
        yield "pullSecret"
    for name in SECRET_MEMBERS:
        yield from _object(body.get(name))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(values: Iterator[Any]) -> list[str]:
    return [value for value in values if _is_plain(value)][:MOST]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and PLAIN.fullmatch(value) is not None
