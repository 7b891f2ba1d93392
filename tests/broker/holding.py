"""A proxy for the API server that counts the writes of each request and delays requests.

The proxy terminates TLS. Every write of an HTTP client is one TLS record (up to 16 KiB), so the
number of records of a request is its number of writes, independent of TCP segmentation.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import trustme

from deploy.sandbox.kubernetes.server import KubernetesSandbox

APPLICATION_DATA = 23
HEAD_END = b"\r\n\r\n"

Cut = Callable[[bytes], int]
"""Return the number of bytes of a request to forward before the rest is held."""

CUTS: dict[str, Cut] = {
    "before-the-first-byte": lambda request: 0,
    "within-the-head": lambda request: request.index(HEAD_END) // 2,
    "between-head-and-body": lambda request: request.index(HEAD_END) + len(HEAD_END),
    "within-the-body": lambda request: len(request) - 3,
    "after-the-last-byte": len,
}


class HoldingProxy:
    """Forwards requests one by one; holds selected requests until `release`."""

    def __init__(self, sandbox: KubernetesSandbox, folder: Path) -> None:
        self._sandbox = sandbox
        authority = trustme.CA()
        self.ca_path = folder / "proxy-ca.crt"
        authority.cert_pem.write_to_path(str(self.ca_path))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self._tls)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._cuts: dict[str, Cut] = {}
        self._idle: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._holds_handshakes = False
        self.held: list[str] = []
        self.held_handshakes = 0
        self.writes: list[int] = []
        """The number of writes of each request, in the order of arrival."""

    def hold(self, cuts: dict[str, Cut]) -> None:
        """Hold the next request for each of these controllers at the position of its cut."""
        self._cuts = dict(cuts)

    def hold_handshakes(self) -> None:
        """Delay the TLS handshake of new connections, and close idle connections."""
        with self._lock:
            self._holds_handshakes = True
            idle, self._idle = self._idle, set()
        for each in idle:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Forward all held requests, and all later ones at once."""
        self._released.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[near], daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            if self._holds_handshakes and not self._released.is_set():
                self.held_handshakes += 1
                self._released.wait()
            client = _Client(near, self._tls)
            port = urlsplit(self._sandbox.url).port
            plain = socket.create_connection(("127.0.0.1", port))
            with self._sandbox.trust().wrap_socket(plain, server_hostname="127.0.0.1") as far:
                while request := self._next(near, client):
                    self._pass(request, far)
                    answer = _message(lambda: far.recv(65536))
                    self._hold_answer(request)
                    client.send(answer)

    def _next(self, near: socket.socket, client: "_Client") -> bytes:
        with self._lock:
            self._idle.add(near)
        writes = 0

        def counted() -> bytes:
            nonlocal writes
            piece = client.receive()
            writes += 1
            with self._lock:
                self._idle.discard(near)
            return piece

        request = _message(counted)
        if request:
            self.writes.append(writes)
        return request

    def _pass(self, request: bytes, far: ssl.SSLSocket) -> None:
        name = _name(request)
        cut = self._cuts.get(name)
        if cut is None or cut is len:
            return far.sendall(request)
        del self._cuts[name]
        passed = cut(request)
        far.sendall(request[:passed])
        self.held.append(name)
        self._released.wait()
        return far.sendall(request[passed:])

    def _hold_answer(self, request: bytes) -> None:
        if self._cuts.pop(_name(request), None) is not None:
            self.held.append(_name(request))
            self._released.wait()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()


class _Client:
    """The server side of a client's TLS connection, read record by record."""

    def __init__(self, near: socket.socket, context: ssl.SSLContext) -> None:
        self._near = near
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(self._record())
        self._flush()

    def receive(self) -> bytes:
        """Return the data of one TLS record; empty at the end of the connection."""
        while True:
            try:
                return self._tls.read()
            except ssl.SSLWantReadError:
                record = self._record()
                if not record:
                    return b""
                self._incoming.write(record)
            except ssl.SSLError:
                return b""

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def _flush(self) -> None:
        if pending := self._outgoing.read():
            self._near.sendall(pending)

    def _record(self) -> bytes:
        head = _exactly(self._near, 5)
        return head + _exactly(self._near, int.from_bytes(head[3:])) if head else b""


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _message(receive: Callable[[], bytes]) -> bytes:
    """Return one request or response with its body; empty at the end of the connection."""
    data = b""
    while HEAD_END not in data or len(data) < _length(data):
        piece = receive()
        if not piece:
            return b""
        data += piece
    return data


def _length(data: bytes) -> int:
    head, end, _ = data.partition(HEAD_END)
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(head) + len(end) + int(line.partition(b":")[2])
    return len(head) + len(end)


def _name(request: bytes) -> str:
    """Return the last path segment of a PATCH; empty for another method."""
    method, target, _ = request.split(b" ", 2)
    return target.decode().partition("?")[0].rpartition("/")[2] if method == b"PATCH" else ""
