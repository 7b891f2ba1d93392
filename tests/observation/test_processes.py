"""The metrics ports of real gateways and workers."""

from pathlib import Path

import httpx
import pytest

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from deploy.ports import LOOPBACK, Port
from deploy.rabbitmq.node import RabbitNode
from gateway.http.draining import DRAINING
from tests.broker.attempts import run_session
from tests.observation import shipped
from tests.observation.scene import NAMES, VARIABLES, Scene
from tests.observation.scraping import Scrape, httpx_get, parsed
from tests.proxy import Relay
from tests.stack import PATIENT, Process, Stack, eventually

UP = "machinist_broker_connection_up"
OPENED = "machinist_broker_connections_opened_total"
FAILURES = "machinist_broker_connection_failures_total"
QUEUE_METRICS = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count"


def probe(process: Process, path: str = "/ready") -> tuple[int, str]:
    """Return the status and the body of a probe."""
    response = httpx_get(f"{process.metrics_url}{path}")
    return response.status_code, response.text


def test_every_metric_and_label_of_dashboard_and_alerts_exists(
    stack: Stack, management: httpx.Client
) -> None:
    scene = Scene(stack, management)

    scene.run()

    for query in shipped.queries():
        for metric, labels in query.metrics.items():
            if metric.startswith("rabbitmq_"):
                continue
            assert metric in scene.seen, query.text
            assert labels <= set(scene.seen[metric]) | shipped.OF_PROMETHEUS, (query.text, metric)
    values = {value for labels in scene.seen.values() for each in labels.values() for value in each}
    assert [name for name in (*NAMES, stack.node.password) if name in " ".join(values)] == []


def test_probes_and_connections_without_a_broker_and_with_one(stack: Stack) -> None:
    with Relay(stack.node.port) as link:
        url = stack.amqp_url.replace(f":{stack.node.port}/", f":{link.port}/")
        worker = stack.worker(**VARIABLES, PLT_AMQP_URL=url)
        gateway = stack.gateway(**VARIABLES, PLT_AMQP_URL=url)
        eventually(lambda: gateway.ready(), what="the gateway listens")
        eventually(
            lambda: Scrape.of(worker.metrics_url).value(FAILURES, connection="consume") > 0,
            what="the worker has tried to connect",
        )

        assert probe(worker) == (
            503,
            '{"status":"not ready","reason":"the worker is starting"}',
        )
        assert probe(worker, "/live") == (200, "OK")
        eventually(lambda: probe(gateway) == (200, '{"status":"ready"}'), what="it answers 503")
        assert gateway.get("/ready").status_code == 503
        assert Scrape.of(gateway.metrics_url).value(UP) == 0
        link.open()
        eventually(lambda: gateway.attended_by(1), what="both are connected")

        assert probe(worker)[0] == 200
        eventually(lambda: Scrape.of(gateway.metrics_url).value(UP) == 2, what="both are up")
        assert Scrape.of(gateway.metrics_url).value(OPENED, connection="requests") == 1


def test_a_gateway_that_finishes_its_last_requests_is_live_and_not_ready(stack: Stack) -> None:
    gateway, _ = stack.serving(1, PLT_METRICS_PORT="0", PLT_DEADLINE_MS=PATIENT)
    asking = stack.held_query(gateway)

    gateway.terminate()
    eventually(lambda: probe(gateway)[0] == 503, what="the gateway is not ready")

    assert DRAINING in probe(gateway)[1]
    assert probe(gateway, "/live") == (200, "OK")
    assert asking.response().status_code == 200
    assert gateway.ended() == 0


@pytest.mark.full
def test_the_exporter_of_rabbitmq_has_the_metrics_of_the_alerts(tmp_path: Path) -> None:
    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))

    port = Port.any_free()
    listener = f'[{{port, {port.number}}}, {{ip, "{LOOPBACK}"}}]'
    with RabbitNode(tmp_path / "node") as node:
        node.ctl(
            "eval",
            f"application:set_env(rabbitmq_prometheus, tcp_config, {listener}, "
            "[{persistent, true}]).",
        )
        node.ctl("enable", "rabbitmq_prometheus", tool="rabbitmq-plugins")
        run_session(node.amqp_url, session)
        exporter = f"http://{LOOPBACK}:{port.number}"
        wanted = {("rabbitmq_detailed_queue_messages", "machinist.k8s.commands.0")}
        eventually(
            lambda: wanted <= {(name, labels.get("queue")) for name, labels in _samples(exporter)},
            what="the queues are counted",
        )
        found = _samples(exporter)
    port.release()

    names = {name: set(labels) for name, labels in found}
    for query in shipped.queries():
        for metric, labels in query.metrics.items():
            if metric.startswith("rabbitmq_"):
                assert labels <= names[metric] | shipped.OF_PROMETHEUS, (query.text, metric)


def _samples(exporter: str) -> list[tuple[str, dict[str, str]]]:
    """Return the names and labels of RabbitMQ's metrics, from both of the scraped paths."""
    texts = [httpx_get(f"{exporter}{path}").text for path in ("/metrics", QUEUE_METRICS)]
    return [(name, labels) for text in texts for name, labels, _ in parsed(text)]
