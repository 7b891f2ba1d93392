"""Limits of the states `before` and `after` in outcomes, the same for every provider. Pure."""

import re
from typing import Any

import msgspec

from contracts.resources import Object

MAX_ENTRIES = 20
"""The limit of entries in a list or object."""
MAX_BYTES = 4096
"""The size limit of `before` and of `after`, as JSON."""
SHORTENED = "shortened"
"""The field with the names of shortened fields."""

IMAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z0-9+._-]+:[0-9A-Fa-f]{32,128})?"
)
"""The grammar of image references; it does not match a user name and password."""
IMAGE_LIMIT = 512


def bounded(noted: Object) -> Object:
    """Return an observation within its limits, with the names of the shortened fields."""
    kept = {key: _first(value, MAX_ENTRIES) for key, value in noted.items()}
    while _size(marked := _marked(kept, noted)) > MAX_BYTES and kept:
        longest = max(kept, key=lambda key: _size(kept[key]))
        value = kept.pop(longest)
        if isinstance(value, list | dict) and len(value) > 1:
            kept[longest] = _first(value, len(value) // 2)
    return marked


def _marked(kept: Object, noted: Object) -> Object:
    shortened = [key for key in noted if key not in kept or kept[key] != noted[key]]
    found = {key: kept[key] for key in noted if key in kept}
    return found | {SHORTENED: shortened} if shortened else found


def _size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def images(found: list[Any]) -> list[str]:
    """Return the valid image references, without duplicates."""
    texts = (each for each in found if isinstance(each, str) and len(each) <= IMAGE_LIMIT)
    return list(dict.fromkeys(each for each in texts if IMAGE.fullmatch(each)))


def conforms(value: Any, expected: Any) -> bool:
    """Tell whether a value has a type of the contract or a platform, such as a label key."""
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return False
    return True


def _first(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return value[:most]
    if isinstance(value, dict):
        return dict(list(value.items())[:most])
    return value
