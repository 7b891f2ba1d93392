"""Decodes untrusted JSON within limits of size, depth and members.

Without these limits the interpreter's recursion limit applies, which depends on the version of
Python: JSON that is nested 5,000 deep is an error on 3.11 and is accepted by 3.13.
"""

from typing import Any, TypeVar, overload

import msgspec

from contracts.topology import MESSAGE_LIMIT, MIB

Decoded = TypeVar("Decoded")


class Limits(msgspec.Struct, frozen=True):
    """Limits of bytes, of nested arrays and objects, and of values in all arrays and objects."""

    size: int
    depth: int
    members: int


BODIES = Limits(size=MESSAGE_LIMIT, depth=100, members=100_000)
"""Bodies of HTTP requests; `PLT_MAX_BODY_BYTES` is a smaller size limit."""

MESSAGES = Limits(size=MESSAGE_LIMIT, depth=BODIES.depth + 2, members=BODIES.members + 100)
"""Messages: a body with its envelope."""

RECORDS = Limits(size=4 * MESSAGE_LIMIT, depth=BODIES.depth + 10, members=2 * BODIES.members)
"""Audit records: a message, in Base64 if it is sealed, and its outcome."""

ANSWERS = Limits(size=64 * MIB, depth=100, members=2_000_000)
"""Responses of platforms: a page of a list has 500 objects."""


class LimitExceeded(msgspec.DecodeError):
    """JSON that is too large, too deep or has too many members; the message states the limit."""


BRACES_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
NO_BRACKET_OR_QUOTE = bytes(byte for byte in range(256) if byte not in b'[]{}"')


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
        return  # commas and brackets in strings are counted too, so the real numbers are smaller
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
    """Return an upper bound of the number of values in JSON without escaped quotes."""
    outside = b"".join(body.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{")


def _is_deeper(body: bytes, most: int) -> bool:
    """Tell whether JSON without escaped quotes is nested deeper than `most`, without recursion.

    Each step removes the innermost arrays and objects. All steps run in C, and take a fraction of
    the time of decoding.
    """
    # A string without brackets is now two quotes; removing it does not affect other strings.
    brackets = body.translate(BRACES_TO_BRACKETS, NO_BRACKET_OR_QUOTE).replace(b'""', b"")
    brackets = b"".join(brackets.split(b'"')[::2])
    depth = 0
    while brackets and depth <= most:
        outer = brackets.replace(b"[]", b"")
        if outer == brackets:  # not JSON: count the brackets that are not closed
            return depth + brackets.count(b"[") > most
        brackets = outer
        depth += 1
    return depth > most
