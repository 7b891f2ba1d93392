"""Connections to the broker that are refused, cut or silent."""

import re
import time

import httpx

from contracts import topology
from contracts.address import SLOTS
from tests.proxy import Relay, relay
from tests.scalings import written
from tests.stack import PATIENT, Stack, eventually, in_thread

SLOW_S = 0.05
"""The delay in each direction, so that a worker's declarations take seconds."""


def through(url: str, port: int) -> str:
    """Return the broker's URL with another port."""
    return re.sub(r":\d+/", f":{port}/", url)


def test_processes_started_without_a_broker_connect_when_it_appears(stack: Stack) -> None:
    with Relay(stack.node.port) as link:
        url = through(stack.amqp_url, link.port)
        stack.worker(PLT_AMQP_URL=url)
        gateway = stack.gateway(PLT_AMQP_URL=url)
        eventually(lambda: gateway.ready(), what="the gateway listens")
        eventually(
            lambda: str(link.port) in gateway.get("/ready").text, what="the reason is reported"
        )
        refused = gateway.get("/k8s/machines/default")

        assert gateway.get("/ready").status_code == 503
        assert gateway.get("/status").status_code == 200
        assert (refused.status_code, refused.json()["code"]) == (503, "broker_unreachable")
        link.open()
        eventually(lambda: gateway.attended_by(1), what="both are connected")
        assert gateway.get("/k8s/machines/default").status_code == 200


def test_a_worker_on_a_slow_broker_attaches_after_every_partition_is_bound(
    stack: Stack, management: httpx.Client
) -> None:
    gateway = stack.gateway()
    with relay(stack.node.port, delay_s=SLOW_S) as link:
        stack.worker(PLT_AMQP_URL=through(stack.amqp_url, link.port))
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")

        listed = management.get(f"/bindings/{stack.amqp_url.rpartition('/')[2]}").json()
        bound = {each["destination"] for each in listed if each["source"] == topology.COMMANDS}
        assert bound == {topology.partition_queue("k8s", slot) for slot in range(SLOTS)}


def test_the_next_url_is_tried_if_the_first_refuses_connections(stack: Stack) -> None:
    with Relay(stack.node.port) as dead:
        gateway = stack.gateway(
            PLT_AMQP_URL=f"{through(stack.amqp_url, dead.port)}, {stack.amqp_url}"
        )

        eventually(lambda: gateway.ready().get("status") == "ready", what="the second URL works")


def test_a_query_in_flight_is_published_again_after_a_reconnect(stack: Stack) -> None:
    with relay(stack.node.port) as link:
        gateway, _ = stack.serving(
            PLT_AMQP_URL=through(stack.amqp_url, link.port), PLT_DEADLINE_MS=PATIENT
        )
        asking = stack.held_query(gateway)

        link.cut()
        eventually(lambda: stack.sandbox.calls.count("GET", "/pods") == 2, what="it runs again")

        assert asking.response().status_code == 200
        assert stack.sandbox.calls.count("GET", "/pods") == 2


def test_a_command_in_flight_gets_its_reply_after_a_reconnect_and_runs_once(stack: Stack) -> None:
    with relay(stack.node.port) as link:
        gateway, _ = stack.serving(PLT_AMQP_URL=through(stack.amqp_url, link.port))
        stack.sandbox.faults.add(method="PATCH", delay=1.0, times=None)
        scaling = in_thread(lambda: gateway.scale("hello", 7))
        eventually(lambda: stack.sandbox.calls.count("PATCH"), what="the command runs")

        link.cut()

        assert scaling.result().status_code == 200
        assert stack.sandbox.calls.count("PATCH") == 1


def test_a_reconnected_worker_joins_the_run_in_progress_on_redelivery(stack: Stack) -> None:
    with relay(stack.node.port) as link:
        stack.worker(PLT_AMQP_URL=through(stack.amqp_url, link.port))
        gateway = stack.gateway()
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        assert gateway.scale("hello", 4).status_code == 200
        stack.sandbox.faults.add(method="PATCH", delay=0.9, times=1)
        scaling = in_thread(lambda: gateway.scale("hello", 7))
        eventually(lambda: stack.sandbox.calls.count("PATCH") == 2, what="the command runs")

        link.cut()

        assert scaling.result().status_code == 200
        eventually(lambda: gateway.attended_by(1), what="the worker is back")
        assert gateway.scale("hello", 5).status_code == 200
        first, *repeated, last = written(stack.sandbox)
        assert (first, set(repeated), last) == (4, {7}, 5)


def test_a_silent_broker_is_reported_before_the_deadline_and_disconnected(stack: Stack) -> None:
    with relay(stack.node.port) as link:
        url = through(stack.amqp_url, link.port)
        gateway, _ = stack.serving(PLT_AMQP_URL=url, PLT_DEADLINE_MS="1000")

        link.mute()
        eventually(
            lambda: gateway.get("/k8s/machines/default").status_code == 503,
            what="the silence is noticed",
        )
        assert gateway.get("/k8s/machines/default").status_code == 503
        eventually(
            lambda: gateway.get("/ready").status_code == 503, what="the connection is closed"
        )

        link.unmute()
        eventually(
            lambda: gateway.get("/k8s/machines/default").status_code == 200,
            what="the gateway is connected again",
        )


def test_the_next_url_is_tried_if_the_first_accepts_connections_and_is_silent(
    stack: Stack,
) -> None:
    with relay(stack.node.port) as silent:
        silent.mute()
        gateway = stack.gateway(
            PLT_AMQP_URL=f"{through(stack.amqp_url, silent.port)}, {stack.amqp_url}"
        )

        eventually(lambda: gateway.ready().get("status") == "ready", what="the second URL works")


def test_a_broker_pause_of_a_second_closes_no_connection(stack: Stack) -> None:
    with relay(stack.node.port) as link:
        gateway, _ = stack.serving(
            PLT_AMQP_URL=through(stack.amqp_url, link.port), PLT_DEADLINE_MS=PATIENT
        )
        asking = stack.held_query(gateway, times=1)

        link.mute()
        time.sleep(0.6)
        refused = gateway.get("/k8s/controllers/default/hello")
        link.unmute()

        answer = asking.response()
        assert (refused.status_code, refused.json()["code"]) == (503, "broker_unreachable")
        assert answer.status_code == 200
        assert stack.sandbox.calls.count("GET", "/pods") == 1, "the query was published again"
