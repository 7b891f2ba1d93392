"""TLS on one connection: a transport for the HTTP protocol over the transport of the socket.

The layers of asyncio and uvloop, which cost the same CPU, do not fit the limits of the gateway: an
incomplete handshake is not visible, a response that the client does not read counts as sent, a
close waits 30 seconds for the client, and a client whose certificate is refused receives no alert
with the reason.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from contracts.faults import Code, Fault
from gateway.http.connections import Awaited, Connections
from gateway.http.protocol import BoundedProtocol, refusal
from gateway.tls.certificates import Contexts
from gateway.tls.peer import EXTENSION, extension_of

HANDSHAKE_RECORD = 22
"""The first byte of a TLS connection (RFC 8446 §5.1)."""

RECORD_BYTES = 16_384
NOT_TLS = Fault(Code.INVALID, "expected TLS, got other bytes: use a URL with https://")


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """One connection, which waits for the handshake and then serves HTTP."""

    def __init__(
        self,
        contexts: Contexts,
        connections: Connections,
        http: Callable[..., BoundedProtocol],
        **uvicorn: Any,
    ) -> None:
        super().__init__()
        self.awaited: Awaited | None = None
        self._contexts = contexts
        self._connections = connections
        self._make_http = partial(http, **uvicorn)
        self._state = uvicorn["server_state"]
        self._http: BoundedProtocol | None = None
        self._raw: asyncio.Transport
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._extension: dict[str, Any] | None = None
        self._is_over = False
        """True when nothing more is sent; further input is discarded."""

    # The protocol of the socket

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._raw = transport
        self._state.connections.add(self)
        self._connections.opened(self, Awaited.HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        if self._http is not None:
            self._http.connection_lost(exc)
        else:
            self._leave()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._tls is None:
            if data[0] != HANDSHAKE_RECORD:
                self._refuse("the client does not use TLS", self._plain_refusal())
                return
            self._tls = self._contexts.current().wrap_bio(
                self._incoming, self._outgoing, server_side=True
            )
        self._incoming.write(data)
        http = self._http or self._handshake(self._tls)
        if http is not None:
            self._receive(self._tls, http)
        self._flush()

    def pause_writing(self) -> None:
        if self._http is not None:
            self._http.pause_writing()

    def resume_writing(self) -> None:
        if self._http is not None:
            self._http.resume_writing()

    def _handshake(self, tls: ssl.SSLObject) -> BoundedProtocol | None:
        """Continue the handshake; return the HTTP protocol after its end."""
        try:
            tls.do_handshake()
            self._extension = extension_of(tls)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
            self._refuse(str(reason or error).lower().replace("_", " "))
            return None
        self._leave()
        self._http = self._make_http()
        self._http.connection_made(self)
        return self._http

    def _receive(self, tls: ssl.SSLObject, http: BoundedProtocol) -> None:
        # Reading until there is no record raises an exception: 37 instead of 23 µs per request.
        while self._incoming.pending and not self._is_over:
            try:
                data = tls.read(RECORD_BYTES)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError:
                data = b""
            if not data:  # the client closes, or its bytes are no TLS
                self.close()
                return
            http.data_received(data)

    def _refuse(self, reason: str, answer: bytes = b"") -> None:
        """Send an answer or the alert of TLS, then discard input until the client closes.

        Closing a connection with unread bytes would reset it before the client reads the alert.
        """
        peer = self._raw.get_extra_info("peername")
        self._connections.warn(
            "handshake", f"TLS handshake with {peer[0] if peer else 'a client'} failed: {reason}"
        )
        self._is_over = True
        self._flush()
        self._tls = None
        self._raw.write(answer)
        self._raw.write_eof()

    def _plain_refusal(self) -> bytes:
        return refusal(NOT_TLS, self._state.default_headers)

    def _leave(self) -> None:
        """Stop to count as a connection without HTTP."""
        self._state.connections.discard(self)
        self._connections.closed(self)

    # A connection without HTTP, for `Connections` and uvicorn

    def overdue(self, awaited: Awaited) -> None:
        """Close the connection, because the handshake took too long."""
        self._raw.abort()

    def cut(self) -> None:
        """Close the connection in any state."""
        self._raw.abort()

    def announce_close(self) -> None:
        """Do nothing: there is no response yet, and `shutdown` closes the connection."""

    def shutdown(self) -> None:
        """Close the connection, because the server stops."""
        self._raw.abort()

    def unsent(self) -> int:
        """Return the number of bytes in the write buffer."""
        return self._raw.get_write_buffer_size()

    # The transport of HTTP

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send bytes, unless the connection is closed."""
        if self._is_over or self._tls is None:
            return
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
        self._flush()

    def write_eof(self) -> None:
        """Tell the client that no more bytes come; its further bytes are discarded."""
        if not self._is_over:
            self._end()
            self._raw.write_eof()

    def close(self) -> None:
        """Close the connection after the write buffer is sent."""
        if not self._is_over:
            self._end()
        self._raw.close()

    def abort(self) -> None:
        self._is_over = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == EXTENSION:
            return self._extension
        if name == "sslcontext" and self._tls is not None:
            return self._tls.context
        return self._raw.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def _end(self) -> None:
        """Send the alert close_notify, whose answer is not waited for (RFC 8446 §6.1)."""
        self._is_over = True
        if self._tls is not None:
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())
