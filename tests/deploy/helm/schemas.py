"""The schemas of Kubernetes and of custom resources: what an API server accepts.

kubernetes_validate reads its files again for each object; here they are read once.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs
from kubernetes_validate.utils import (  # type: ignore[import-untyped]  # has no types
    schema_contents,
)
from referencing import Registry, Resource

VERSIONS = ("1.29.0", "1.36.0")
"""The oldest and the newest version of Kubernetes that the chart is for."""

CUSTOM = Path(__file__).with_name("custom_resources")
STRICT = "kubernetes-json-schema/v{}-local-strict/{}.json"


def errors(document: dict[str, Any], version: str) -> list[str]:
    """Return what the schema of an object's kind rejects, with the path of each field."""
    found = _validator(version, document["apiVersion"], document["kind"]).iter_errors(document)
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message}" for each in found]


@cache
def _validator(version: str, api: str, kind: str) -> Draft202012Validator:
    custom = CUSTOM / f"{kind.lower()}.json"
    if custom.exists():
        schema = json.loads(custom.read_text())
        assert schema["properties"]["apiVersion"]["const"] == api
        return Draft202012Validator(schema)
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = schema_contents(STRICT.format(version, f"{kind.lower()}-{group}"), version)
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    definitions = schema_contents(STRICT.format(version, "_definitions"), version)
    registry: Registry[Any] = Resource.from_contents(definitions) @ Registry()
    return registry
