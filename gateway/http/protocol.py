"""HTTP on one connection: uvicorn's protocol with limits on sizes and times, and an orderly close.

Uvicorn itself waits without limit for the rest of a request and for a client to read the response,
and keeps a request in memory until the next one.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from contracts.faults import Code, Fault
from contracts.wire import reply_of
from gateway.http.closing import LastResponse, close_sending, has_input
from gateway.http.connections import Awaited, Connections
from gateway.tls.peer import EXTENSION

PIPELINED = 32
"""The pipelined requests per connection; each one needs some kilobytes of memory."""

NOT_HTTP = Fault(Code.INVALID, "expected an HTTP/1.1 request, got other bytes")
FRAGMENT = Fault(Code.INVALID, "expected a target without '#': escape it as %23")


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `awaited` is the event that the server waits for."""

    def __init__(self, connections: Connections, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.awaited: Awaited | None = None
        self._connections = connections
        self._limits = connections.limits
        self._unused = 0
        """Bytes received since the parser last returned a part of a body or ended a request."""
        self._parsing: Awaited | None = None
        """The part of a request that the parser is reading; None between two requests."""
        self._fault: Fault | None = None
        self._is_over = False
        """True after the last response: received bytes are discarded."""
        self._tls: dict[object, object] | None = None
        """The ASGI TLS extension, None without TLS."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._tls = transport.get_extra_info(EXTENSION)
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connections.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._fault is not None or self._is_over:
            return  # discard the rest, so that the client can read the response
        if self.awaited is Awaited.NEXT:
            self._connections.wait(self, Awaited.HEAD)
        self._unused += len(data)
        super().data_received(data)
        if self._unused > self._limits.head_bytes and self._fault is None:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}
        self._parsing = Awaited.HEAD
        if self.awaited is None:
            self._connections.wait(self, Awaited.HEAD)

    def on_url(self, url: bytes) -> None:
        # httptools would truncate the target at a `#`, which RFC 9112 does not allow there: a
        # client that does not escape names in paths would act on another resource.
        if b"#" in url:
            self._reject(FRAGMENT)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._limits.headers:
            message = f"expected at most {self._limits.headers} header fields"
            self._reject(Fault(Code.REQUEST_TOO_LARGE, message))

    def on_headers_complete(self) -> None:
        if self._unused > self._limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > self._limits.head_bytes:
                self._reject(self._too_large())
        if len(self.pipeline) >= PIPELINED:
            self._reject(Fault(Code.INVALID, f"expected at most {PIPELINED} pipelined requests"))
        super().on_headers_complete()
        if self._connections.is_draining:
            self.announce_close()
        self._unused = 0
        self._parsing = Awaited.BODY
        self._expect(Awaited.BODY)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unused = 0
        self._parsing = None
        self._expect(None)
        self._finish()

    def on_response_complete(self) -> None:
        if self._is_over:
            self.pipeline.clear()  # the client does not expect responses after `connection: close`
        super().on_response_complete()
        self._finish()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.wait(self, Awaited.READER)
        self._connections.bound_unsent()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.awaited is Awaited.READER:
            self._connections.wait(self, Awaited.CLOSE if self._is_over else self._parsing)
            self._finish()

    def timeout_keep_alive_handler(self) -> None:
        """Do nothing: the sweep closes idle connections, even if the client reads nothing."""

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._fault or NOT_HTTP)

    def overdue(self, awaited: Awaited) -> None:
        """Close the connection; respond with 408 if only a part of a request head arrived."""
        if awaited is Awaited.NEXT:
            self._connections.wait(self, awaited)
            self._close_unless_used()
        elif awaited is Awaited.CLOSE and self.unsent():
            self._connections.wait(self, Awaited.READER)
        elif awaited is not Awaited.HEAD or self._fault is not None:
            self.transport.abort()
        elif self._is_serving():
            self._connections.wait(self, Awaited.HEAD)
        elif self._unused:
            message = f"expected a request line and headers within {self._limits.head_s:g} s"
            self._refuse(Fault(Code.REQUEST_TIMEOUT, message))
        else:
            self.transport.abort()

    def announce_close(self) -> None:
        """Send `connection: close` with the response to the newest request, unless it has begun."""
        cycle = self._current()
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False
            cycle.transport = cast(asyncio.Transport, LastResponse(self.transport, self._end))

    def shutdown(self) -> None:
        """Close the connection if no request is on it; called at intervals while the server stops.

        A connection that was just opened is given time for its first request.
        """
        is_old = self._connections.waited(self) >= self._limits.first_s
        if self.awaited is Awaited.NEXT or (self._is_unused() and is_old):
            self._close_unless_used()

    def cut(self) -> None:
        """Close the connection in any state."""
        self.transport.abort()

    def unsent(self) -> int:
        """Return the number of response bytes in the write buffer."""
        return self.transport.get_write_buffer_size()

    def _is_unused(self) -> bool:
        """Tell whether the connection has never received a byte."""
        return self.awaited is Awaited.HEAD and not self._unused and self._current() is None

    def _close_unless_used(self) -> None:
        """Close an idle connection, unless the event loop is about to read a request from it."""
        if not self.transport.is_closing() and not has_input(self.transport):
            self._end()

    def _end(self) -> None:
        """Close the sending side, and wait for the client to close the connection."""
        self._is_over = True
        close_sending(self.transport)
        self._expect(Awaited.CLOSE)

    def _current(self) -> RequestResponseCycle | None:
        """Return the newest request with complete headers; uvicorn's type omits None."""
        return self.cycle

    def _is_serving(self) -> bool:
        cycle = self._current()
        return cycle is not None and not cycle.response_complete

    def _expect(self, awaited: Awaited | None) -> None:
        """Wait for this event, unless the client still has to read a response."""
        if self.awaited is not Awaited.READER:
            self._connections.wait(self, awaited)

    def _finish(self) -> None:
        """Release a complete and answered request, and wait for the next one."""
        if self._parsing or self.pipeline or self._is_serving():
            return
        if self._is_over or self._fault is not None:
            return
        self.cycle = None  # type: ignore[assignment]
        self.scope = None  # type: ignore[assignment]
        self.headers = []
        self._unset_keepalive_if_required()
        self._expect(Awaited.READER if self.transport.is_closing() else Awaited.NEXT)

    def _too_large(self) -> Fault:
        limit = self._limits.head_bytes
        message = f"expected a request line and headers of at most {limit} bytes"
        return Fault(Code.REQUEST_TOO_LARGE, message)

    def _reject(self, fault: Fault) -> None:
        """Stop the parser from within one of its callbacks."""
        self._fault = fault
        raise httptools.HttpParserError(fault.message)

    def _refuse(self, fault: Fault) -> None:
        """Respond with a fault, then discard input for a while.

        Closing a connection with unread bytes would reset it before the client reads the response.
        If an earlier request is unanswered, or this response has begun, the connection is aborted.
        """
        self._fault = fault
        cycle = self._current()
        if cycle is not None:
            is_own = self._parsing is Awaited.BODY and not self.pipeline
            if cycle.response_started or not is_own:
                self.transport.abort()
                return
            cycle.disconnected = True  # uvicorn sends nothing after a disconnect
            cycle.message_event.set()
        self.transport.write(refusal(fault, self.server_state.default_headers))
        self.transport.write_eof()
        self._connections.wait(self, Awaited.HEAD)


def refusal(fault: Fault, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the response of a fault, after which the connection is closed."""
    reply = reply_of(fault)
    headers = [
        *default_headers,
        (b"content-type", reply.content_type.encode()),
        (b"content-length", b"%d" % len(reply.body)),
        (b"connection", b"close"),
    ]
    head = b"".join(b"%b: %b\r\n" % each for each in headers)
    return STATUS_LINE[reply.status] + head + b"\r\n" + reply.body
