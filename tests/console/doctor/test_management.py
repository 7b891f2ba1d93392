"""The client of the management API: URLs, recorded answers, refusals."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from yarl import URL

from contracts.process.environment import ConfigurationError, Secret
from gateway.console.doctor.management import Denied, derived, given, read, vhost_of
from gateway.console.failures import Failure

QUORUM = {
    "arguments": {"x-queue-type": "quorum", "x-single-active-consumer": True},
    "consumers": 1,
    "durable": True,
    "effective_policy_definition": {"message-ttl": 500},
    "exclusive": False,
    "leader": "rabbit@rabbitmq-1",
    "members": ["rabbit@rabbitmq-1", "rabbit@rabbitmq-2"],
    "messages": 3,
    "name": "machinist.k8s.commands.0",
    "online": ["rabbit@rabbitmq-1"],
    "operator_policy": None,
    "policy": "short",
    "state": "running",
    "type": "quorum",
}
DOWN = {"name": "rabbit@rabbitmq-2", "type": "disc", "running": False, "db_dir": "not available"}
UP = {
    "name": "rabbit@rabbitmq-1",
    "running": True,
    "mem_alarm": False,
    "disk_free_alarm": True,
    "disk_free": 74974707712,
    "disk_free_limit": 268435456,
    "partitions": [],
    "applications": [{"name": "rabbit", "description": "RabbitMQ", "version": "3.10.8"}],
}
ANSWERS: dict[str, Any] = {
    "/api/nodes": [UP, DOWN],
    "/api/exchanges/%2F": [{"name": "", "type": "direct", "durable": True, "arguments": {}}],
    "/api/queues/%2F": [QUORUM, QUORUM | {"effective_policy_definition": []}],
    "/api/bindings/%2F": [
        {
            "source": "machinist.gate",
            "vhost": "/",
            "destination": "machinist.ended",
            "destination_type": "exchange",
            "routing_key": "",
            "arguments": {"x-death": "undefined", "x-match": "all-with-x"},
            "properties_key": "~vrz3SQ",
        }
    ],
    "/api/vhosts/%2F/connections": [
        {"user": "gateway", "client_properties": {"product": "machinist", "version": "1.0"}},
        {"name": "closing", "state": "closed"},
    ],
    "/api/vhosts/%2F/permissions": [
        {"user": "gateway", "vhost": "/", "configure": "", "write": "a", "read": "b"}
    ],
    "/api/vhosts/%2F/topic-permissions": [
        {"user": "gateway", "vhost": "/", "exchange": "e", "write": "a", "read": "b"}
    ],
    "/api/feature-flags": [{"name": "f", "state": "enabled", "stability": "stable"}],
}
ADMINISTRATORS = ("permissions", "topic-permissions", "feature-flags")


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[URL]:
    """Serve answers by path: an object, or the status of an error."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path, 404)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield URL(f"http://operator:canary@127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()


async def test_the_recorded_answers_of_rabbitmq_are_read():
    with serving(ANSWERS) as url:
        state = await read(url, "/")

    up, down = state.nodes
    assert (up.version, up.disk_free_alarm, up.disk_free) == ("3.10.8", True, 74974707712)
    assert (down.running, down.version, state.running) == (False, "", [up])
    assert [queue.limits for queue in state.queues] == [{"message-ttl": 500}, {}]
    assert state.queues[0].online == ["rabbit@rabbitmq-1"]
    assert state.clients[0].version == "1.0"
    assert abs(state.clock_ahead) < 3
    assert state.permissions is not None
    assert "canary" not in state.api


async def test_what_needs_an_administrator_is_unknown_to_other_users():
    denied = {path: 401 for path in ANSWERS if path.endswith(ADMINISTRATORS)}
    with serving(ANSWERS | denied) as url:
        state = await read(url, "/")

    assert (state.permissions, state.topic_permissions, state.feature_flags) == (None, None, None)
    assert len(state.queues) == 2


async def test_a_refused_login_is_a_failure_without_the_password():
    refused = pytest.raises(Denied, match="refuses the user: 401")
    with serving(dict.fromkeys(ANSWERS, 401)) as url, refused as raised:
        await read(url, "/")

    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("answer", [500, 404, b"<html>", b'{"nodes": 1}'])
async def test_another_answer_is_a_failure(answer):
    refused = pytest.raises(Failure, match="/api/nodes")
    with serving(ANSWERS | {"/api/nodes": answer}) as url, refused:
        await read(url, "/")


async def test_an_api_that_does_not_answer_is_a_failure():
    with pytest.raises(Failure, match="does not answer"):
        await read(URL("http://operator:canary@127.0.0.1:1"), "/")


@pytest.mark.parametrize(
    ("amqp", "management", "vhost"),
    [
        ("amqp://u:p@host", "http://u:p@host:15672", "/"),
        ("amqp://u:p@host:5673/shop", "http://u:p@host:15672", "shop"),
        ("amqp://host/%2F", "http://guest:guest@host:15672", "/"),
        (
            "amqps://u:p%40@host:5671/?cafile=/ca.pem",
            "https://u:p%40@host:15671?cafile=/ca.pem",
            "/",
        ),
    ],
)
def test_the_usual_url_follows_from_the_brokers_url(amqp, management, vhost):
    assert derived(URL(amqp)) == URL(management)
    assert vhost_of(URL(amqp)) == vhost


@pytest.mark.parametrize(
    "text", ["canary:15672", "amqp://canary@host", "http://canary", "http://[canary"]
)
def test_another_url_is_a_configuration_error_that_does_not_show_it(text):
    with pytest.raises(ConfigurationError, match="PLT_MANAGEMENT_URL") as raised:
        given(Secret(text, "PLT_MANAGEMENT_URL"))

    assert "canary" not in str(raised.value)
