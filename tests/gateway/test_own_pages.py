"""Liveness, readiness and documents of a gateway."""

import re

import msgspec
import pytest

from contracts import VERSION
from contracts.api import OPERATIONS
from contracts.broker.attendance import Announcement
from contracts.broker.reconnecting import ReconnectingConnection
from gateway.app import application
from gateway.calls.checks import Checks
from tests.gateway.client import Client
from tests.loopback import Loopback

NOW = 1_790_000_000.0
NOW_TEXT = "2026-09-21T14:13:20Z"


@pytest.fixture
def link() -> ReconnectingConnection:
    return ReconnectingConnection("amqp://broker.test/", "test")


@pytest.fixture
def client(loopback: Loopback, link: ReconnectingConnection) -> Client:
    """A client of a gateway whose broker is reachable after `link.ready`."""
    return Client(
        application(loopback, link, loopback.attendance, Checks(loopback.attendance), 1000)
    )


def announcement(**more: object) -> Announcement:
    valid = {"worker": "host-1", "provider": "memory", "version": VERSION, "since": NOW}
    return msgspec.convert(valid | more, Announcement)


@pytest.mark.parametrize("up", [True, False])
async def test_status_is_ok_with_and_without_a_broker(client, link, up):
    if up:
        link.ready()

    answer = await client.get("/status")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"status": "ok", "version": VERSION}


async def test_a_gateway_without_a_broker_is_not_ready_and_has_a_reason(client):
    answer = await client.get("/ready")

    assert answer.status == 503
    assert answer.json() == {
        "status": "not ready",
        "version": VERSION,
        "broker": {
            "reachable": False, "since": None, "reason": "not connected yet", "missing": [],
        },
        "providers": {},
    }  # fmt: skip


async def test_a_gateway_with_a_broker_is_ready_since_a_time(client, link):
    link.ready()

    answer = await client.get("/ready")

    assert answer.status == 200
    broker = answer.json()["broker"]
    assert (broker["reachable"], broker["reason"]) == (True, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", broker["since"])


async def test_a_gateway_with_a_missing_queue_is_degraded_and_stays_in_service(
    client, link, loopback
):
    link.ready()
    loopback.attendance.hear(announcement(missing=["the queue q does not exist: import"]).message())

    answer = await client.get("/ready")

    assert (answer.status, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["broker"]["missing"] == ["the queue q does not exist: import"]


async def test_readiness_lists_expected_and_announced_providers(client, link, loopback):
    link.ready()
    loopback.attendance.hear(announcement().message())

    providers = (await client.get("/ready")).json()["providers"]

    assert providers.keys() == {"absent", "memory"}
    assert providers["absent"] == {
        "attended": False, "consumers": 0, "since": None, "workers": [], "liveReads": [],
    }  # fmt: skip
    assert (providers["memory"]["attended"], providers["memory"]["consumers"]) == (True, 1)
    assert providers["memory"]["since"] == NOW_TEXT


async def test_readiness_lists_announced_workers(client, link, loopback):
    link.ready()
    worker = announcement(partitions=[1, 5], clockBehind=0.25)
    loopback.attendance.hear(worker.message())

    memory = (await client.get("/ready")).json()["providers"]["memory"]

    assert memory["workers"] == [
        {
            "worker": "host-1",
            "version": VERSION,
            "since": NOW_TEXT,
            "partitions": [1, 5],
            "clockBehindSeconds": 0.25,
        }
    ]


async def test_readiness_says_why_frequent_queries_ask_the_platform(client, link, loopback):
    link.ready()
    reason = "the worker's user lacks the right to watch pods"
    for name in ("host-1", "host-2"):
        worker = announcement(worker=name, liveReads=[reason])
        loopback.attendance.hear(worker.message())

    memory = (await client.get("/ready")).json()["providers"]["memory"]

    assert memory["liveReads"] == [reason]


async def test_readiness_does_not_list_a_worker_that_left(client, link, loopback):
    link.ready()
    loopback.attendance.hear(announcement().message())
    loopback.attendance.hear(announcement(state="gone").message())
    await client.get("/memory/machines/shop")

    assert (await client.get("/ready")).json()["providers"]["memory"]["workers"] == []


async def test_the_openapi_document_has_every_operation(client):
    answer = await client.get("/documentation/json")

    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    named = {
        (method.upper(), path): described["operationId"]
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }
    for name, operation in OPERATIONS.items():
        assert named[operation.row.method, "/{provider}" + operation.row.path] == name


async def test_the_asyncapi_document_has_every_operation(client):
    document = (await client.get("/documentation/asyncapi")).json()

    assert document["asyncapi"].startswith("3.")
    assert OPERATIONS.keys() <= document["components"]["messages"].keys()


async def test_a_document_does_not_change_between_requests(client):
    first = await client.get("/documentation/json")
    second = await client.get("/documentation/json")

    assert first == second
