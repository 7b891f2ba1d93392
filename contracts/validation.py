"""Checks values against the contract's types and says in words what was expected."""

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
"""Characters of a name that is compared with others; comparing takes time by the square."""

ALIKE = 0.6
"""Of difflib, and its default: 1 is the same name, 0 has no letter of it."""


def checked(value: Any, expected: Any, where: str, *, secret: bool = False) -> Any:
    """Return the value as `expected`, or raise `invalid` naming the place and what is expected.

    What came is shown, unless it is `secret`. Of a dict it is the entry that is wrong.
    """
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        if isinstance(value, dict) and not secret:
            _check_entries(value, expected, where)
        got = "" if secret else f", got {show(value)}"
        raise Fault(Code.INVALID, explain(error, expected, where) + got) from error


def _check_entries(value: dict[Any, Any], expected: Any, where: str) -> None:
    """Raise for the first wrong entry, where `expected` is a dict of described keys and values."""
    plain = get_args(expected)[0] if get_origin(expected) is Annotated else expected
    if get_origin(plain) is not dict:
        return
    of_keys, of_values = get_args(plain)
    for key, item in value.items():
        checked(key, of_keys, where)
        checked(item, of_values, f"{where}[{show(key)}]")


def explain(error: msgspec.ValidationError, expected: Any, where: str) -> str:
    """`where: what is expected`, from msgspec's message and our description."""
    message = str(error)
    inner = AT.search(message)
    place = where + (inner["where"].lstrip("$") if inner else "")
    description = describe(expected)
    return f"{place}: {f'expected {description}' if description else AT.sub('', message)}"


def describe(expected: Any) -> str | None:
    """The description that a type carries, its own or those of its parts."""
    if get_origin(expected) is Annotated:
        inner, *metas = get_args(expected)
        own = (m.description for m in metas if isinstance(m, msgspec.Meta) and m.description)
        return next(own, None) or describe(inner)
    found = (describe(part) for part in get_args(expected))
    return "; ".join(dict.fromkeys(text for text in found if text)) or None


def show(value: Any) -> str:
    """A value in few characters, printable whatever it holds."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the known name that a misspelt one is closest to, None if none is so much alike.

    Case and everything but letters and digits make no difference.
    """
    names = {_plain(each): each for each in known}
    near = get_close_matches(_plain(name[:COMPARED]), names, n=1, cutoff=alike)
    return names[near[0]] if near else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
