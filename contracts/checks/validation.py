"""Checks values against the contract's types; errors describe the expected value."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from contracts.faults import Code, Fault

Value = TypeVar("Value")

AT = re.compile(r" - at `(?P<where>[^`]*)`$")
SHOWN = 80

COMPARED = 40
"""Characters of a name that are compared: the time of a comparison is quadratic."""

ALIKE = 0.6
"""The least similarity of a suggestion, and difflib's default; 1 means equal names."""


def checked(value: Any, expected: Any, where: str, *, secret: bool = False) -> Any:
    """Return the value as `expected`, or raise `invalid` with the place and the expected value.

    The error shows the received value unless it is `secret`; for a dict, the wrong entry.
    """
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        if isinstance(value, dict) and not secret:
            _check_entries(value, expected, where)
        got = "" if secret else f", got {show(value)}"
        raise Fault(Code.INVALID, explain(error, expected, where) + got) from error


def _check_entries(value: dict[Any, Any], expected: Any, where: str) -> None:
    """Raise for the first wrong entry if `expected` is a dict type."""
    plain = get_args(expected)[0] if get_origin(expected) is Annotated else expected
    if get_origin(plain) is not dict:
        return
    key_type, value_type = get_args(plain)
    for key, item in value.items():
        checked(key, key_type, where)
        checked(item, value_type, f"{where}[{show(key)}]")


def explain(error: msgspec.ValidationError, expected: Any, where: str) -> str:
    """Return `<place>: expected <description>`, or msgspec's message for an undescribed type."""
    message = str(error)
    inner = AT.search(message)
    place = where + (inner["where"].lstrip("$") if inner else "")
    description = describe(expected)
    return f"{place}: {f'expected {description}' if description else AT.sub('', message)}"


def describe(expected: Any) -> str | None:
    """Return the description of a type, or the descriptions of its parts."""
    if get_origin(expected) is Annotated:
        inner, *metas = get_args(expected)
        own = (m.description for m in metas if isinstance(m, msgspec.Meta) and m.description)
        return next(own, None) or describe(inner)
    found = (describe(part) for part in get_args(expected))
    return "; ".join(dict.fromkeys(text for text in found if text)) or None


def show(value: Any) -> str:
    """Return a value as short, printable text."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the known name that is most similar to a misspelt one, None if none is similar enough.

    Only letters and digits are compared, without case.
    """
    names = {_plain(each): each for each in known}
    near = get_close_matches(_plain(name[:COMPARED]), names, n=1, cutoff=alike)
    return names[near[0]] if near else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
