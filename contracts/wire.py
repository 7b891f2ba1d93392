"""Messages, operations and replies, from bytes to structs and back; independent of the broker."""

from typing import Any, TypeVar

import msgspec

from contracts import CONTRACT
from contracts.api import OPERATIONS
from contracts.checks import json_limits
from contracts.checks.json_limits import BODIES, MESSAGES, Limits
from contracts.checks.validation import checked, describe, nearest, show
from contracts.faults import PROBLEM_JSON, Code, Fault, Problem
from contracts.operation import Operation
from contracts.topology import MESSAGE_LIMIT

JSON = "application/json"

SHORT_LIMIT = 255
"""The maximal size in bytes of a short string of AMQP."""

HEADER_CONTRACT = "contract"
HEADER_DEADLINE = "deadline"
HEADER_STATUS = "status"
HEADER_RETRY_AFTER = "retry-after"
HEADER_WORKER = "worker"
HEADER_TRACEPARENT = "traceparent"
HEADER_TRACESTATE = "tracestate"
HEADER_IDEMPOTENCY_KEY = "idempotency-key"
HEADER_REQUESTED_BY = "requested-by"
HEADER_RETRIES = "retries"
HEADER_REPLAY_OF = "replay-of"
HEADER_VERSIONS = "versions"
HEADER_MAX_AGE = "max-age"
HEADER_AGE = "age"
HEADER_SCOPE = "scope"

Header = str | int
"""Headers are scalars: streams drop tables and arrays, and AMQP floats lose precision."""

COMPRESSED = "a body that is compressed with {}: send it uncompressed"
FORMATS = {
    b"\x1f\x8b": COMPRESSED.format("gzip"),
    b"\x28\xb5\x2f\xfd": COMPRESSED.format("zstd"),
    b"\x04\x22\x4d\x18": COMPRESSED.format("LZ4"),
    b"\xff\x06\x00\x00sNaPpY": COMPRESSED.format("snappy"),
    b"\xfd7zXZ\x00": COMPRESSED.format("xz"),
    b"BZh": COMPRESSED.format("bzip2"),
    b"PK\x03\x04": COMPRESSED.format("zip"),
    **{bytes([0x78, level]): COMPRESSED.format("zlib") for level in (0x01, 0x5E, 0x9C, 0xDA)},
    b"\xef\xbb\xbf": "a byte order mark before it",
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16",
}
"""Formats by the first bytes of a body; JSON begins with none of them."""

AnyOperation = TypeVar("AnyOperation", bound=Operation[Any])


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the broker; `expiration` is in milliseconds, `timestamp` in seconds.

    `dropped` is the size of a body that was over the limit and is not kept; it is not published.
    """

    exchange: str
    key: str
    body: bytes
    type: str
    message_id: str
    content_type: str = JSON
    content_encoding: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: int | None = None
    timestamp: int | None = None
    app_id: str | None = None
    user_id: str | None = None
    persistent: bool = False
    headers: dict[str, Header] = {}
    dropped: int = 0


def bounded(message: Message) -> Message:
    """Return the message, without its body if the body is over the size limit."""
    size = len(message.body)
    if size <= MESSAGE_LIMIT:
        return message
    return msgspec.structs.replace(message, body=b"", dropped=size)


class Reply(msgspec.Struct, frozen=True):
    """The reply to an operation: its body is the HTTP body, passed through unchanged."""

    status: int
    body: bytes
    content_type: str = JSON
    retry_after: int | None = None
    age_ms: int | None = None
    """The age of a local copy from which a query was answered, in milliseconds."""
    versions: str | None = None
    """The resource versions that the answer to a query shows, as in `contracts.freshness`."""


class _Coded(msgspec.Struct):
    """The member of a problem that clients branch on; other versions may have other codes."""

    code: str


def reply_of(fault: Fault, command_id: str | None = None) -> Reply:
    """Return the reply of a failed operation; `command_id` is the id of a failed command."""
    return Reply(fault.status, fault.body(command_id), PROBLEM_JSON, fault.retry_after)


def problem_code(body: bytes, content_type: str) -> str | None:
    """Return the code in the body of an error, None for another body."""
    if content_type != PROBLEM_JSON:
        return None
    try:
        return msgspec.json.decode(body, type=_Coded).code
    except msgspec.DecodeError:
        return None


def with_command_id(reply: Reply, command_id: str) -> Reply:
    """Return the reply to a command; an error names the command in its body."""
    if reply.content_type != PROBLEM_JSON:
        return reply
    problem = msgspec.json.decode(reply.body, type=Problem)
    named = msgspec.structs.replace(problem, command_id=command_id)
    return msgspec.structs.replace(reply, body=msgspec.json.encode(named))


def encode(operation: Operation[Any]) -> bytes:
    """Return the body of a request message: the operation as a JSON object."""
    return msgspec.json.encode(operation)


def decode(name: str, body: bytes) -> Operation[Any]:
    """Return the operation in a request message; raises `not_understood` and `invalid`."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise unknown_operation(name)
    try:
        decoded: Operation[Any] = json_limits.decode(body, MESSAGES, type=operation)
    except msgspec.DecodeError:
        return build(operation, parse(body, MESSAGES))  # slower, with a better error message
    return decoded


def unknown_operation(name: str) -> Fault:
    """Return the fault of a message with an unknown `type`, or without one."""
    expected = f"one of {', '.join(OPERATIONS)}"
    if not name:
        words = f"property type: expected the name of the operation, {expected}, got nothing"
        return Fault(Code.NOT_UNDERSTOOD, words)
    near = nearest(name, OPERATIONS)
    meant = f"; did you mean {near}?" if near else ""
    return Fault(
        Code.NOT_UNDERSTOOD,
        f"property type: expected an operation of contract {CONTRACT}, {expected}, got "
        f"{show(name)}{meant}",
    )


def parse(body: bytes, limits: Limits = BODIES) -> dict[str, Any]:
    """Return the JSON object in a body."""
    if not body:
        raise Fault(Code.INVALID, "expected a JSON object, got an empty body")
    try:
        return json_limits.decode(body, limits, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise Fault(Code.INVALID, f"expected a JSON object: {error}") from error
    except json_limits.LimitExceeded as error:
        raise Fault(Code.INVALID, str(error)) from error
    except msgspec.DecodeError as error:
        got = _other_format(body) or f"invalid JSON: {error}"
        raise Fault(Code.INVALID, f"expected a JSON object, got {got}") from error


def _other_format(body: bytes) -> str | None:
    """Return the format of a body that does not start like JSON, None if unknown."""
    for start, name in FORMATS.items():
        if body.startswith(start):
            return name
    return None


def build(operation: type[AnyOperation], values: dict[str, Any]) -> AnyOperation:
    """Return the operation with these values by JSON name; raise `invalid` with the reason."""
    try:
        built: AnyOperation = msgspec.convert(values, operation)
    except msgspec.ValidationError as error:
        explained = _explained(operation, values)
        raise (explained or Fault(Code.INVALID, str(error))) from error
    return built


def _explained(operation: type[Operation[Any]], values: dict[str, Any]) -> Fault | None:
    """Return the error of the first wrong value, without values that may be secret."""
    for field in msgspec.structs.fields(operation):
        if field.encode_name not in values:
            if field.required:
                expected = describe(field.type) or "a value"
                return Fault(Code.INVALID, f"{field.encode_name}: expected {expected}, got nothing")
            continue
        try:
            checked(
                values[field.encode_name],
                field.type,
                field.encode_name,
                secret=operation.row.seal,
            )
        except Fault as fault:
            return fault
    return None
