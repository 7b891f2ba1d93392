"""JSON Schemas of the contract's types for both documents.

Client generators derive the name of an anonymous schema from its position, and drop a schema whose
derived name is taken. Therefore every object and every enumeration is a named component.
"""

from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from contracts.shapes import OpenShape

REFERENCE = "#/components/schemas/{name}"
TEXTS = {"type": "string"}

Schema = dict[str, Any]


def _descendants(shape: type) -> set[str]:
    return {shape.__name__}.union(*map(_descendants, shape.__subclasses__()))


OPEN = _descendants(OpenShape)
"""Shapes with unknown members, which generated models must neither reject nor drop."""


class Schemas:
    """The schemas of types, and the components that they refer to."""

    def __init__(self, types: Sequence[Any]) -> None:
        found, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
        self.components: dict[str, Schema] = {}
        is_open = {"additionalProperties": True}
        for name, schema in components.items():
            portable = self._portable(schema, name)
            self.put(name, portable | is_open if name in OPEN else portable)
        self._of_types = [self._portable(schema, "") for schema in found]

    def __iter__(self) -> Any:
        return iter(self._of_types)

    def put(self, name: str, schema: Schema) -> Schema:
        """Make a schema a component, and return the reference to it."""
        if self.components.setdefault(name, schema) != schema:
            raise TypeError(f"two schemas are named {name}")
        return {"$ref": REFERENCE.format(name=name)}

    def _portable(self, value: Any, title: str) -> Any:
        r"""Return a schema that client generators understand.

        Patterns are in JavaScript's dialect, where `$` is Python's `\Z`. A schema with a title
        becomes a component. A default is moved to the description, because openapi-typescript
        treats members with a default as required.
        """
        if isinstance(value, list):
            return [self._portable(item, "") for item in value]
        if not isinstance(value, dict):
            return value
        portable: Schema = {
            key: self._properties(item) if key == "properties" else self._portable(item, "")
            for key, item in value.items()
            if key != "examples"
        }
        if isinstance(pattern := portable.get("pattern"), str):
            portable["pattern"] = pattern.replace(r"\Z", "$")
        if isinstance(description := portable.get("description"), str):
            # Python 3.13 dedents docstrings, older ones do not.
            portable["description"] = cleandoc(description)
        if isinstance(default := portable.pop("default", None), str | int | float):
            words = f"The default is {msgspec.json.encode(default).decode()}."
            portable["description"] = " ".join(filter(None, [portable.get("description"), words]))
        if "enum" in portable:
            portable = TEXTS | portable
        name = portable.get("title", title)
        return portable if name == title else self.put(name, portable)

    def _properties(self, properties: dict[str, Schema]) -> dict[str, Schema]:
        """Return portable members; their names, such as `title`, are not schema keywords."""
        return {name: self._portable(schema, "") for name, schema in properties.items()}
