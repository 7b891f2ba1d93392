"""An HTTP server that decides RabbitMQ's permission checks by the users' rights, and records them.

The plugin `rabbitmq_auth_backend_http` sends the requests. A channel of RabbitMQ caches the answers
that permit.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from contracts.broker_users import User
from deploy.rabbitmq.configuration import USER
from tests.broker.rights.needed import Check, permits

PLUGINS = ("rabbitmq_auth_backend_http",)
ADMINISTRATOR = User(name=USER, tags=("administrator",))
PATHS = ("user", "vhost", "resource", "topic")


class Access:
    """The permission checks of a broker, by the names of users without a prefix."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._users: Mapping[str, User] = {}
        self.allowed: set[Check] = set()
        self.denied: set[Check] = set()

    @property
    def advanced(self) -> str:
        """The advanced.config: RabbitMQ checks passwords itself, and asks here for the rest."""
        paths = "".join(f'{{{each}_path, "{self._url}/{each}"}}, ' for each in PATHS)
        return (
            "[{rabbit, [{auth_backends, [{rabbit_auth_backend_internal,"
            " rabbit_auth_backend_http}]}]},"
            # Without these options, Erlang loads the certificates of the system even for HTTP, and
            # fails without them. rabbitmq.conf has them in RabbitMQ 4.0 but not in 3.10.
            f" {{rabbitmq_auth_backend_http, [{paths}{{ssl_options, []}}]}}]."
        )

    def grant(self, users: Mapping[str, User]) -> None:
        """Grant users their rights, by the names with which they log in."""
        self._users = users

    def answer(self, url: str) -> str:
        """Answer a request of the plugin; record it if it is a check of a right."""
        parts = urlsplit(url)
        asked = {name: texts[0] for name, texts in parse_qs(parts.query, True).items()}
        login = asked["username"]
        user = ADMINISTRATOR if login == USER else self._users.get(login)
        if user is None:
            return "deny"
        if parts.path == "/user":
            # RabbitMQ 4.0 takes the tags for the management UI from here, 3.10 from its own users.
            return " ".join(["allow", *user.tags])
        if parts.path == "/vhost" or user is ADMINISTRATOR:
            return "allow"
        check = Check(user.name, asked["permission"], asked["name"], asked.get("routing_key"))
        is_allowed = permits(user, check)
        (self.allowed if is_allowed else self.denied).add(check)
        return "allow" if is_allowed else "deny"


@contextmanager
def recording() -> Iterator[Access]:
    """Serve a broker until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = access.answer(self.path).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        access = Access(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield access
        finally:
            server.shutdown()
            thread.join()
