"""JSON Schemas and examples of the contract's types, as both documents show them."""

from collections.abc import Sequence
from inspect import cleandoc
from typing import Any, get_args

import msgspec

from contracts.operation import Operation

REFERENCE = "#/components/schemas/{name}"


def schemas(types: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schema of each type, and the components that they refer to."""
    of_types, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    return [_portable(schema) for schema in of_types], _portable(components)


def example(expected: Any) -> Any:
    """The first example that a type carries, None without one."""
    metas = (part for part in get_args(expected) if isinstance(part, msgspec.Meta))
    return next((meta.examples[0] for meta in metas if meta.examples), None)


def example_of(operation: type[Operation[Any]]) -> dict[str, Any]:
    """An operation with what it requires, by the JSON names."""
    fields = msgspec.structs.fields(operation)
    return {field.encode_name: example(field.type) for field in fields if field.required}


def _portable(value: Any) -> Any:
    r"""The schema with patterns in JavaScript's dialect, whose `$` is Python's `\Z`.

    Descriptions are docstrings, which Python 3.13 dedents and older ones do not.
    """
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if not isinstance(value, dict):
        return value
    portable = {key: _portable(item) for key, item in value.items()}
    if isinstance(pattern := portable.get("pattern"), str):
        portable["pattern"] = pattern.replace(r"\Z", "$")
    if isinstance(description := portable.get("description"), str):
        portable["description"] = cleandoc(description)
    return portable
