"""Errors as HTTP responses: one shape for the gateway's and the framework's errors."""

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.wire import reply_of
from gateway.context import command_id_of
from gateway.identity.refused import Refused

log = logging.getLogger(__name__)


def on_fault(
    request: Request[Any, Any, Any], fault: Fault, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return the response for a fault; the error of a command has the command id."""
    command_id = command_id_of(request)
    reply = reply_of(fault, command_id)
    headers = dict(headers or {})
    if reply.retry_after is not None:
        headers["retry-after"] = str(reply.retry_after)
    if command_id is not None:
        headers["command-id"] = command_id
    if isinstance(fault, Refused) and fault.challenge is not None:
        headers["www-authenticate"] = fault.challenge
    if fault.code is Code.REQUEST_TIMEOUT:
        headers["connection"] = "close"  # the rest of the body would be parsed as a request
    return Response(
        reply.body, status_code=reply.status, media_type=reply.content_type, headers=headers
    )


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Return the response for an error that Litestar raised before a handler was called."""
    path = show(request.scope["raw_path"].decode("latin-1"))
    if isinstance(error, NotFoundException):
        return on_fault(request, Fault(Code.UNKNOWN_ROUTE, unknown_route(request.method, path)))
    if isinstance(error, MethodNotAllowedException):
        allowed = ", ".join(sorted((error.headers or {}).get("allow", "").split(", ")))
        fault = Fault(
            Code.METHOD_NOT_ALLOWED,
            f"{request.method} is not allowed on {path}; expected one of {allowed}",
        )
        return on_fault(request, fault, {"allow": allowed})
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        limit = request.route_handler.resolve_request_max_body_size()
        fault = Fault(Code.REQUEST_TOO_LARGE, f"expected a body of at most {limit} bytes")
        return on_fault(request, fault)
    return on_fault(request, Fault(Code.INVALID, error.detail))


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return the response for an unexpected exception; only the log has the traceback."""
    log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return on_fault(request, Fault(Code.INTERNAL, "the gateway failed unexpectedly; see its log"))


def unknown_route(method: str, path: str) -> str:
    """Return the message for a path without a route."""
    return (
        f"there is no route {method} {path}; expected /<provider>/machines/<scope> or another of "
        "those under /documentation"
    )
