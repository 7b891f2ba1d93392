"""Decodes JSON of other parties within stated limits of size, depth and members.

Without these the interpreter's own recursion limit decides, which is another one in every version
of Python: JSON that is nested 5,000 deep is an error on 3.11 and is accepted by 3.13.
"""

from typing import Any, TypeVar, overload

import msgspec

from contracts.topology import MESSAGE_LIMIT, MIB

Decoded = TypeVar("Decoded")


class Limits(msgspec.Struct, frozen=True):
    """Bytes, levels of arrays and objects, and values of all arrays and objects together."""

    size: int
    depth: int
    members: int


BODIES = Limits(size=MESSAGE_LIMIT, depth=100, members=100_000)
"""Bodies of requests over HTTP; `PLT_MAX_BODY_BYTES` is a smaller limit of bytes."""

MESSAGES = Limits(size=MESSAGE_LIMIT, depth=BODIES.depth + 2, members=BODIES.members + 100)
"""Messages: a body with what is wrapped around it."""

RECORDS = Limits(size=4 * MESSAGE_LIMIT, depth=BODIES.depth + 10, members=2 * BODIES.members)
"""Records of the audit: a message, in base64 where it is sealed, and its outcome."""

ANSWERS = Limits(size=64 * MIB, depth=100, members=2_000_000)
"""Answers of platforms: a page of a list has 500 objects."""


class LimitExceeded(msgspec.DecodeError):
    """JSON that is too large, too deep or has too many members; the message states the limit."""


ONE_KIND = bytes.maketrans(b"{}", b"[]")
OTHERS = bytes(byte for byte in range(256) if byte not in b'[]{}"')


@overload
def decode(body: bytes, limits: Limits) -> Any: ...


@overload
def decode(body: bytes, limits: Limits, *, type: type[Decoded]) -> Decoded: ...


def decode(body: bytes, limits: Limits, *, type: Any = Any) -> Any:
    """Return the value in a body; raises LimitExceeded and other msgspec.DecodeErrors."""
    check(body, limits)
    try:
        return msgspec.json.decode(body, type=type)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("JSON is expected in UTF-8") from error


def check(body: bytes, limits: Limits) -> None:
    """Raise LimitExceeded unless a body is within the limits."""
    if len(body) > limits.size:
        raise LimitExceeded(f"expected JSON of at most {limits.size} bytes, got {len(body)}")
    opened = body.count(b"[") + body.count(b"{")
    values = opened + body.count(b",")
    if opened <= limits.depth and values <= limits.members:
        return  # whatever of it is in strings
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if _is_deeper(body, limits.depth):
        raise LimitExceeded(
            f"expected JSON whose arrays and objects are nested at most {limits.depth} deep"
        )
    if values > limits.members and _values(body) > limits.members:
        raise LimitExceeded(
            f"expected JSON with at most {limits.members} values in all of its arrays and objects"
        )


def _values(body: bytes) -> int:
    """Return at least the number of values in JSON without escaped quotes."""
    outside = b"".join(body.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{")


def _is_deeper(body: bytes, most: int) -> bool:
    """Tell whether JSON without escaped quotes is nested deeper, before a decoder recurses into it.

    Each step removes the innermost arrays and objects. All of it runs in C, and takes a fraction of
    the time of decoding.
    """
    # Strings without a bracket become two quotes; removed, they leave the others as they were.
    brackets = body.translate(ONE_KIND, OTHERS).replace(b'""', b"")
    brackets = b"".join(brackets.split(b'"')[::2])
    depth = 0
    while brackets and depth <= most:
        outer = brackets.replace(b"[]", b"")
        if outer == brackets:  # not JSON: what was never closed counts
            return depth + brackets.count(b"[") > most
        brackets = outer
        depth += 1
    return depth > most
