"""The threaded HTTP server: werkzeug's requests, as moto reads them, on kept-alive connections.

Unlike AWS, werkzeug's handler closes each connection after a response.
"""

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

from deploy.sandbox.aws.messages import Answer

Answering = Callable[[dict[str, Any], bytes], Answer | None]


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    # One segment per response, without waiting for the client's TCP acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "_Server"  # type: ignore[assignment]  # the base class expects werkzeug's server

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = environ["wsgi.input"]
        if not environ.get("wsgi.input_terminated"):
            body = io.BytesIO(self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0)))
        answer = self.server.answering(environ, body.read())
        if answer is None:
            self.close_connection = True
            self.server.cut(self.connection)
            return
        self.send_response_only(answer.status)
        for name, text in answer.headers:
            self.send_header(name, text)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


class _Server(ThreadingMixIn, HTTPServer):
    # server_close() joins the threads, after their connections are shut down.
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256
    multithread = True
    multiprocess = False
    ssl_context = None
    _server_version = "sandbox"

    def __init__(self, port: int, answering: Answering) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answering = answering
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def server_bind(self) -> None:
        # HTTPServer would look up the host name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self, connection: socket.socket) -> None:
        # The client may have closed the connection already.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def cut_all(self) -> None:
        with self._lock:
            for connection in self._open:
                self.cut(connection)


@contextlib.contextmanager
def listening(port: int, answering: Answering) -> Iterator[_Server]:
    """Serve in threads until the context ends, then close all connections."""
    server = _Server(port, answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="aws-sandbox")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.cut_all()
        server.server_close()
