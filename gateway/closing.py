"""The close of an HTTP connection without the loss of a response or of an arrived request.

A socket that is closed while received bytes are unread is reset, and the reset may discard the last
response before the client reads it. Therefore the server closes its sending side, and reads until
the client closes the connection (RFC 9112 §9.6).
"""

import asyncio
import select
from collections.abc import Callable


class LastResponse:
    """The transport for the last response of a connection; `close` ends the connection in order.

    Uvicorn would close the real transport in the same step as it sends the end of the response.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def has_input(transport: asyncio.Transport) -> bool:
    """Tell whether the socket has bytes, or the client's close, that the event loop reads next."""
    arrived = select.poll()
    arrived.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(arrived.poll(0))


def close_sending(transport: asyncio.Transport) -> None:
    """Close the sending side; TLS cannot, and its transport sends a close alert instead."""
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()
