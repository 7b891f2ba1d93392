"""Checks JSON for unknown members, and names the known member that was probably meant.

Otherwise a misspelt member would leave its default in place: 1 machine instead of 20.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from contracts.checks.validation import nearest, show
from contracts.faults import Code, Fault


def require_known(value: Any, expected: type[msgspec.Struct], where: str) -> None:
    """Raise `invalid` for the first member of a JSON value, at any depth, that the type lacks."""
    for place, name, known in _unknown(value, _described(expected), where):
        raise unknown_member(place, name, known)


def unknown_member(place: str, name: str, known: tuple[str, ...]) -> Fault:
    """Return the fault of an unknown member of the object at `place`."""
    near = nearest(name, known)
    hint = f"did you mean {near}? Expected" if near else "expected"
    return Fault(
        Code.INVALID, f"{place}: unknown member {show(name)}, {hint} one of {', '.join(known)}"
    )


@cache
def _described(expected: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(expected)


def _unknown(
    value: Any, expected: inspect.Type, where: str
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the place of each unknown member, its name, and the known names at that place.

    A value of a wrong type is left to the decoder.
    """
    if isinstance(expected, inspect.Metadata):
        yield from _unknown(value, expected.type, where)
    elif isinstance(expected, inspect.UnionType):
        for each in expected.types:
            yield from _unknown(value, each, where)
    elif isinstance(expected, inspect.ListType) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(item, expected.item_type, f"{where}[{number}]")
    elif isinstance(expected, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in expected.fields}
        for name, inner in value.items():
            if name not in fields:
                yield where, name, tuple(fields)
            else:
                yield from _unknown(inner, fields[name], f"{where}.{name}")
