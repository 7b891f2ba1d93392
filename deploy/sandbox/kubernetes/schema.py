"""Checks of JSON against declared fields: type errors and unknown fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.kubernetes.kinds import Listed, Loose, Mapped, Shape, Struct

_JSON_TYPES = {"string": "string", "bool": "boolean", "[]": "array"} | dict.fromkeys(
    ("int32", "int64"), "integer"
)
_LIMITS = {"int32": 2**31, "int64": 2**63}


@dataclass(frozen=True)
class TypeMismatch:
    """A value of the wrong JSON type, with the message of Go's decoder."""

    path: str
    message: str
    given: str
    wanted: str


def type_mismatch(value: Any, shape: Shape, path: str = "", owner: str = "") -> TypeMismatch | None:
    """Return the first field of a wrong JSON type; null is valid everywhere and means absent."""
    if value is None or shape == "any":
        return None
    if isinstance(shape, str):
        return None if _fits(value, shape) else _mismatch(value, shape, path, owner)
    if isinstance(shape, Listed):
        if not isinstance(value, list):
            return _mismatch(value, "[]", path, owner)
        return _first(type_mismatch(item, shape.of, path, owner) for item in value)
    if not isinstance(value, dict):
        wanted = "map[string]string" if isinstance(shape, Mapped) else _name(shape)
        return _mismatch(value, wanted, path, owner)
    if isinstance(shape, Mapped):
        return _first(type_mismatch(item, shape.of, path, owner) for item in value.values())
    return _first(
        type_mismatch(value[name], inner, f"{path}.{name}" if path else name, _name(shape))
        for name, inner in shape.fields.items()
        if name in value
    )


def unknown_fields(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that the type does not have."""
    if isinstance(shape, Struct) and isinstance(value, dict):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name in shape.fields:
                yield from unknown_fields(item, shape.fields[name], inner)
            else:
                yield inner
    elif isinstance(shape, Listed) and isinstance(value, list):
        for position, item in enumerate(value):
            yield from unknown_fields(item, shape.of, f"{path}[{position}]")


def prune(value: Any, shape: Shape) -> Any:
    """Return a copy without unknown fields and nulls, as the API server stores it."""
    if isinstance(shape, Struct) and isinstance(value, dict):
        return {
            name: prune(item, shape.fields[name])
            for name, item in value.items()
            if name in shape.fields and item is not None
        }
    if isinstance(shape, Listed) and isinstance(value, list):
        return [prune(item, shape.of) for item in value if item is not None]
    if isinstance(shape, Mapped) and isinstance(value, dict):
        return {name: "" if item is None else item for name, item in value.items()}
    return value


def _name(shape: Struct | Loose) -> str:
    return shape.name if isinstance(shape, Struct) else "Status"


def _fits(value: Any, shape: str) -> bool:
    if isinstance(value, bool) or shape == "bool":
        return isinstance(value, bool) and shape == "bool"
    if shape == "object":
        return isinstance(value, dict)
    if shape in _LIMITS:
        return isinstance(value, int) and -_LIMITS[shape] <= value < _LIMITS[shape]
    return isinstance(value, str if shape == "string" else int | float | str)


def _mismatch(value: Any, wanted: str, path: str, owner: str) -> TypeMismatch:
    given = _json_type(value)
    # Go includes the number in its message only if the field is an integer.
    if given == "number" and wanted.startswith("int"):
        given = f"number {value}"
    where = f"Go struct field {owner}.{path}" if path else "Go value"
    message = f"json: cannot unmarshal {given} into {where} of type {wanted}"
    return TypeMismatch(path, message, _json_type(value), _JSON_TYPES.get(wanted, "object"))


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _first(found: Iterator[TypeMismatch | None]) -> TypeMismatch | None:
    return next((fault for fault in found if fault is not None), None)


_OWNER = Struct(
    "OwnerReference",
    {
        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), "string"),
        **dict.fromkeys(("controller", "blockOwnerDeletion"), "bool"),
    },
)
METADATA = Struct(
    "ObjectMeta",
    {
        **dict.fromkeys(
            ("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"), "string"
        ),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), "string"),
        **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), "int64"),
        "labels": Mapped("string"),
        "annotations": Mapped("string"),
        "finalizers": Listed("string"),
        "ownerReferences": Listed(_OWNER),
        "managedFields": Listed("object"),
    },
)


def object_type(name: str, **fields: Shape) -> Struct:
    """Return the type of an object: `fields` beside kind, apiVersion and metadata."""
    common: dict[str, Shape] = {"kind": "string", "apiVersion": "string", "metadata": METADATA}
    return Struct(name, {**common, **fields})


def struct(name: str, _strings: str = "", **fields: Shape) -> Struct:
    """Return a declared type; `_strings` lists its string fields, separated by blanks."""
    return Struct(name, {**dict.fromkeys(_strings.split(), "string"), **fields})


# Only the fields of a status that the sandbox reads have a type.
STATUS: Shape = Loose({"conditions": Listed("object"), "replicas": "int32", "phase": "string"})
