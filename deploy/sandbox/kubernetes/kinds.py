"""The description of a kind of object and its declared fields."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

Object = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """An entry of `details.causes` in a Status."""

    field: str
    reason: str
    message: str


def invalid_value(field: str, value: str, why: str) -> Cause:
    return Cause(field, "FieldValueInvalid", f"Invalid value: {value}: {why}")


def required(field: str, why: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def forbidden(field: str, why: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


Shape: TypeAlias = Union[str, "Struct", "Loose", "Listed", "Mapped"]


@dataclass(frozen=True)
class Struct:
    """The declared fields of a Go type; `name` is its name in messages."""

    name: str
    fields: dict[str, Shape]


@dataclass(frozen=True)
class Loose:
    """An object of which only some fields are declared; other fields are kept as received."""

    fields: dict[str, Shape]


@dataclass(frozen=True)
class Listed:
    of: Shape


@dataclass(frozen=True)
class Mapped:
    of: Shape


# The cause that the schema check of a custom resource adds when it stops early.
INCOMPLETE = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def nothing(_: Object) -> None:
    """Set no defaults."""


def no_causes(*_: Object) -> list[Cause]:
    return []


@dataclass(frozen=True, eq=False)
class Kind:
    """An entry of the catalogue; compared by identity, so that it can be a key."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    scalable: bool = False
    has_status: bool = False
    has_finalize: bool = False
    custom: bool = False
    counts_generations: bool = False
    deletion_answers_object: bool = False
    deletable_as_collection: bool = True
    orphans_by_default: bool = False
    selectable: tuple[str, ...] = ()
    declared: Struct | None = None
    defaults: Callable[[Object], None] = field(default=nothing)
    validate: Callable[[Object], list[Cause]] = field(default=no_causes)
    validate_change: Callable[[Object, Object], list[Cause]] = field(default=no_causes)

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def api_version(self) -> str:
        return self.in_version(self.versions[0])

    def in_version(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version

    @property
    def subresources(self) -> tuple[str, ...]:
        given = {"finalize": self.has_finalize, "status": self.has_status, "scale": self.scalable}
        return tuple(name for name, has_it in given.items() if has_it)

    @property
    def verbs(self) -> list[str]:
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        return [*verbs, "deletecollection"] if self.deletable_as_collection else verbs

    def key(self, namespace: str, name: str) -> str:
        return f"{namespace}/{name}" if self.namespaced else name
