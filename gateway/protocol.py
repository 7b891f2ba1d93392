"""HTTP on one connection: uvicorn's protocol, with bounds on what a client may send and how slowly.

Uvicorn waits for ever for the rest of a request and for a client to take its answer, and keeps
what it has read of a request until the next one.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from contracts.faults import Code, Fault
from contracts.wire import reply_of
from gateway.connections import Awaited, Connections

PIPELINED = 32
"""Requests that a client may send ahead on a connection; each costs some kilobytes."""

NO_HTTP = Fault(Code.INVALID, "expected a request of HTTP/1.1, got something else")
FRAGMENT = Fault(Code.INVALID, "expected a target without '#': escape it as %23")


class BoundedProtocol(HttpToolsProtocol):
    """One connection; `awaited` is what the server waits for on it."""

    def __init__(self, connections: Connections, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.awaited: Awaited | None = None
        self._connections = connections
        self._limits = connections.limits
        self._unused = 0
        """Bytes since the parser last gave a part of a body or ended a request."""
        self._parsed: Awaited | None = None
        """The part of a request that the parser is in; None between two requests."""
        self._fault: Fault | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connections.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._fault is not None:
            return  # refused: read on, so that the client gets to read why
        if self.awaited is Awaited.NEXT:
            self._connections.wait(self, Awaited.HEAD)
        self._unused += len(data)
        super().data_received(data)
        if self._unused > self._limits.head_bytes and self._fault is None:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._parsed = Awaited.HEAD
        if self.awaited is None:
            self._connections.wait(self, Awaited.HEAD)

    def on_url(self, url: bytes) -> None:
        # httptools would cut the target off at a `#`, which RFC 9112 does not allow: clients that
        # put names into paths unescaped would act on another resource than they named.
        if b"#" in url:
            self._stop(FRAGMENT)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._limits.headers:
            words = f"expected at most {self._limits.headers} header fields"
            self._stop(Fault(Code.REQUEST_TOO_LARGE, words))

    def on_headers_complete(self) -> None:
        if self._unused > self._limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > self._limits.head_bytes:
                self._stop(self._too_large())
        if len(self.pipeline) >= PIPELINED:
            self._stop(Fault(Code.INVALID, f"expected at most {PIPELINED} requests sent ahead"))
        super().on_headers_complete()
        self._unused = 0
        self._parsed = Awaited.BODY
        self._expect(Awaited.BODY)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unused = 0
        self._parsed = None
        self._expect(None)
        self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.wait(self, Awaited.READER)
        self._connections.bound_unsent()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.awaited is Awaited.READER:
            self._connections.wait(self, self._parsed)
            self._rest()

    def timeout_keep_alive_handler(self) -> None:
        """Leave it to the sweep, which ends a connection also if its client reads nothing."""

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._fault or NO_HTTP)

    def overdue(self, awaited: Awaited) -> None:
        """End the connection: with an answer, if the first part of a request came and no more."""
        if awaited is not Awaited.HEAD or self._fault is not None:
            self.transport.abort()
        elif self._is_serving():
            self._connections.wait(self, Awaited.HEAD)
        elif self._unused:
            words = f"expected a request line and headers within {self._limits.head_s:g} s"
            self._refuse(Fault(Code.REQUEST_TIMEOUT, words))
        else:
            self.transport.abort()

    def cut(self) -> None:
        """End the connection, whatever its state."""
        self.transport.abort()

    def unsent(self) -> int:
        """Return how many bytes the client has not taken."""
        return self.transport.get_write_buffer_size()

    def _current(self) -> RequestResponseCycle | None:
        """Return the newest request of which the headers came; uvicorn's types know no None."""
        return self.cycle

    def _is_serving(self) -> bool:
        cycle = self._current()
        return cycle is not None and not cycle.response_complete

    def _expect(self, awaited: Awaited | None) -> None:
        """Wait for this, unless the client does not even take the answers that it has."""
        if self.awaited is not Awaited.READER:
            self._connections.wait(self, awaited)

    def _rest(self) -> None:
        """Keep nothing of a request that came whole and was answered, and wait for the next one."""
        if self._parsed or self.pipeline or self._is_serving() or self._fault is not None:
            return
        self.cycle = None  # type: ignore[assignment]
        self.scope = None  # type: ignore[assignment]
        self.headers = []
        self._unset_keepalive_if_required()
        self._expect(Awaited.READER if self.transport.is_closing() else Awaited.NEXT)

    def _too_large(self) -> Fault:
        words = f"expected a request line and headers of at most {self._limits.head_bytes} bytes"
        return Fault(Code.REQUEST_TOO_LARGE, words)

    def _stop(self, fault: Fault) -> None:
        """End the parser's work from within one of its callbacks."""
        self._fault = fault
        raise httptools.HttpParserError(fault.message)

    def _refuse(self, fault: Fault) -> None:
        """Answer and read on for a while: a connection closed with bytes unread is reset, and the
        client would not get to read the answer.

        Where an earlier request has no answer yet, or this one has, nothing can be said any more.
        """
        self._fault = fault
        cycle = self._current()
        if cycle is not None:
            is_own = self._parsed is Awaited.BODY and not self.pipeline
            if cycle.response_started or not is_own:
                self.transport.abort()
                return
            cycle.disconnected = True  # so that nothing more is sent
            cycle.message_event.set()
        reply = reply_of(fault)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", reply.content_type.encode()),
            (b"content-length", b"%d" % len(reply.body)),
            (b"connection", b"close"),
        ]
        head = b"".join(b"%b: %b\r\n" % each for each in headers)
        self.transport.write(STATUS_LINE[reply.status] + head + b"\r\n" + reply.body)
        self.transport.write_eof()
        self._connections.wait(self, Awaited.HEAD)
