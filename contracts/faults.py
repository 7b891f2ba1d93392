"""The fault, the only error of operations: a code from a closed set, and a message."""

from enum import StrEnum
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType, json


class Code(StrEnum):
    """The reason of a failure; a closed set on which clients may branch."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    PLATFORM_FORBIDDEN = "platform_forbidden"
    NOT_FOUND = "not_found"
    UNKNOWN_ROUTE = "unknown_route"
    UNKNOWN_PROVIDER = "unknown_provider"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    REQUEST_TIMEOUT = "request_timeout"
    REQUEST_TOO_LARGE = "request_too_large"
    REPLY_TOO_LARGE = "reply_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    PLATFORM_INVALID = "platform_invalid"
    PLATFORM_LIMITING = "platform_limiting"
    INTERNAL = "internal"
    UNSUPPORTED = "unsupported"
    NOT_UNDERSTOOD = "not_understood"
    SEALING_NOT_CONFIGURED = "sealing_not_configured"
    SEAL_NOT_OPENED = "seal_not_opened"
    PLATFORM_FAILED = "platform_failed"
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    BROKER_UNREACHABLE = "broker_unreachable"
    BROKER_BLOCKED = "broker_blocked"
    PROVIDER_UNATTENDED = "provider_unattended"
    QUEUE_FULL = "queue_full"
    GATEWAY_BUSY = "gateway_busy"
    PLATFORM_UNREACHABLE = "platform_unreachable"
    PLATFORM_NOT_READY = "platform_not_ready"
    DEADLINE_EXCEEDED = "deadline_exceeded"


STATUS: dict[Code, HTTPStatus] = {
    Code.INVALID: HTTPStatus.BAD_REQUEST,
    Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.PLATFORM_FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_ROUTE: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_PROVIDER: HTTPStatus.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Code.REQUEST_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.REPLY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.PLATFORM_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.PLATFORM_LIMITING: HTTPStatus.TOO_MANY_REQUESTS,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.UNSUPPORTED: HTTPStatus.NOT_IMPLEMENTED,
    Code.NOT_UNDERSTOOD: HTTPStatus.NOT_IMPLEMENTED,
    Code.SEALING_NOT_CONFIGURED: HTTPStatus.NOT_IMPLEMENTED,
    Code.SEAL_NOT_OPENED: HTTPStatus.FORBIDDEN,
    Code.PLATFORM_FAILED: HTTPStatus.BAD_GATEWAY,
    Code.IDENTITY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.BROKER_UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.BROKER_BLOCKED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.PROVIDER_UNATTENDED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.QUEUE_FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.GATEWAY_BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.PLATFORM_UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.PLATFORM_NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}

NOT_ATTEMPTED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""The statuses of promise 2: nothing was attempted and nothing will be."""

PROBLEM_JSON = "application/problem+json"

DEFAULT_RETRY_AFTER_S = 1


class Problem(Struct, frozen=True, rename="camel"):
    """An error body: RFC 9457, with the additional members `{statusCode, code, error, message}`.

    `command_id` is the id of the command in the audit; a query has none.
    """

    type: str
    title: str
    status: int
    detail: str
    status_code: int
    code: Code
    error: str
    message: str
    command_id: str | UnsetType = UNSET


class Fault(Exception):
    """The error of an operation. The caller sees the message: no secrets, no internals.

    `retry_after` is in seconds, and set if nothing was attempted.
    """

    def __init__(self, code: Code, message: str, *, retry_after: int | None = None) -> None:
        # A platform's message may contain a lone surrogate, which JSON in UTF-8 cannot encode.
        message = message.encode("utf-8", "replace").decode()
        super().__init__(message)
        self.code = code
        self.message = message
        if retry_after is None and STATUS[code] in NOT_ATTEMPTED:
            retry_after = DEFAULT_RETRY_AFTER_S
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return int(STATUS[self.code])

    def problem(self, command_id: str | None = None) -> Problem:
        """Return the error body; `command_id` is the id of the command that failed."""
        title = STATUS[self.code].phrase
        return Problem(
            type=f"urn:machinist:fault:{self.code}",
            title=title,
            status=self.status,
            detail=self.message,
            status_code=self.status,
            code=self.code,
            error=title,
            message=self.message,
            command_id=command_id or UNSET,
        )

    def body(self, command_id: str | None = None) -> bytes:
        """Return the error body as JSON."""
        return json.encode(self.problem(command_id))
