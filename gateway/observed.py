"""One server span and one line of the access log for each HTTP request that reaches the routes."""

import logging
import time
from typing import Any, cast

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from contracts.observation import trace_context, traces
from contracts.observation.logs import log_fields
from contracts.observation.spans import NO_SPAN, Kind, Span
from contracts.wire import problem_code
from gateway.context import COMMAND_ID, REQUESTED_BY

log = logging.getLogger("machinist.access")

PATH_PARAMETER = "{path_"
"""The beginning of a path parameter in a route, as `gateway.routes` names them."""

WITHOUT_SPAN = frozenset({"/status", "/ready", "/page/events"})
"""Probes would be most of the traces, and the page's events last for minutes."""

SHOWN = 256
"""The characters of a path and of a user agent; a client chooses both."""

METHODS = frozenset(each.value for each in HttpMethod)


class Observed:
    """An ASGI application whose requests are traced and, if `access_log`, logged."""

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        response = _Response(send, is_head=scope["method"] == HttpMethod.HEAD)
        began = time.perf_counter()
        with _server_span(scope) as span:
            try:
                await self._app(scope, receive, response.send)
            finally:
                _finish(span, scope, response)
                if self._access_log and log.isEnabledFor(logging.INFO):
                    _log(span, scope, response, time.perf_counter() - began)


class _Response:
    """The parts of a response that are logged."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self.status: int | None = None
        self.bytes = 0
        self.code: str | None = None
        self._send = send
        self._is_head = is_head
        self._content_type = ""

    async def send(self, message: Message) -> None:
        """Send an event of the response, and remember what it says."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = dict(message["headers"])
            self._content_type = headers.get(b"content-type", b"").decode("latin-1")
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self.bytes += 0 if self._is_head else len(body)
            if self.status is not None and self.status >= 400:
                self.code = problem_code(body, self._content_type)
        await self._send(message)


def _server_span(scope: HTTPScope) -> Span:
    """Return the span of a request; its route is known only after the routing."""
    if traces.tracer() is None or scope["path"] in WITHOUT_SPAN:
        return NO_SPAN
    method = _method(scope)
    attributes = {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
        "client.address": _peer(scope),
        "user_agent.original": _header(scope, b"user-agent"),
    }
    parent = trace_context.of_request(scope["headers"])
    return traces.span(method, Kind.SERVER, attributes, parent=parent)


def _finish(span: Span, scope: HTTPScope, response: _Response) -> None:
    """Set the attributes that are known at the end of a request.

    By OpenTelemetry's conventions a 4xx is no error of the server.
    """
    if span is NO_SPAN:
        return
    route = _route(scope)
    if route is not None:
        span.rename(f"{_method(scope)} {route}")
    span.set("http.route", route)
    span.set("http.response.status_code", response.status)
    span.set("machinist.command_id", scope["state"].get(COMMAND_ID))
    span.set("machinist.code", response.code)
    if response.status is None or response.status >= 500:
        span.fail(response.code or str(response.status or "no response"))


def _log(span: Span, scope: HTTPScope, response: _Response, seconds: float) -> None:
    context = span.context or trace_context.of_request(scope["headers"])
    path = scope["raw_path"].decode("latin-1")
    fields = {
        "method": scope["method"],
        "route": _route(scope),
        "path": path[:SHOWN],
        "status": response.status,
        "code": response.code,
        "bytes": response.bytes,
        "ms": round(seconds * 1000),
        "peer": _peer(scope),
        "subject": scope["state"].get(REQUESTED_BY),
        "userAgent": _header(scope, b"user-agent"),
        "commandId": scope["state"].get(COMMAND_ID),
        "traceId": None if context is None else context.trace_id,
    }
    log_fields(log, logging.INFO, "request", fields)


def _method(scope: HTTPScope) -> str:
    """Return the method; those that HTTP does not define are one, since a client invents them."""
    return scope["method"] if scope["method"] in METHODS else "_OTHER"


def _route(scope: HTTPScope) -> str | None:
    """Return the template of the route, None if there is none for the path."""
    template = cast(dict[str, Any], scope).get("path_template")
    return None if template is None else str(template).replace(PATH_PARAMETER, "{")


def _peer(scope: HTTPScope) -> str | None:
    return scope["client"][0] if scope["client"] else None


def _header(scope: HTTPScope, name: bytes) -> str | None:
    value = next((value for each, value in scope["headers"] if each == name), None)
    return None if value is None else value.decode("latin-1")[:SHOWN]
