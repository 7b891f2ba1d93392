"""The close of HTTP connections and sockets without the loss of an arrived request or a response.

A socket that is closed while received bytes are unread is reset, and the reset may discard the last
response before the client reads it. Therefore the server closes its sending side, and reads until
the client closes the connection (RFC 9112 §9.6).
"""

import asyncio
import logging
import select
import socket
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)


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


def backlog_of(listening: Iterable[socket.socket], limit: int) -> list[socket.socket]:
    """Accept the connections that wait, at most `limit` for each socket, and close the sockets."""
    accepted = []
    for each in listening:
        each.setblocking(False)
        for _ in range(limit + 1):  # Linux keeps one connection more
            try:
                connection, _ = each.accept()
            except BlockingIOError:
                break
            except OSError as error:  # accept(2) returns network errors of the new connection
                log.info("a connection was not accepted: %s", error)
                continue
            connection.setblocking(False)
            accepted.append(connection)
        each.close()
    return accepted
