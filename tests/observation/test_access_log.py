"""The access log of a gateway, and the server spans of its requests."""

import logging
from typing import Any

import pytest

from contracts.observation.logs import FORMAT, OneLine
from contracts.seal import Seals
from gateway.observed import Observed
from tests.gateway.client import Client
from tests.loopback import Loopback, gateway_over
from tests.memory import MemoryProvider
from tests.observation.collector import Span, recorded
from worker.dispatch import Dispatch

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
MACHINES = "/memory/machines/shop"


def client_of(*, access_log: bool = True) -> Client:
    """Return a client of a gateway over the provider `memory`."""
    loopback = Loopback(Dispatch("memory", MemoryProvider(), Seals([])))
    return Client(Observed(gateway_over(loopback), access_log=access_log))


@pytest.fixture
def client(caplog: pytest.LogCaptureFixture) -> Client:
    caplog.set_level(logging.INFO, "machinist.access")
    return client_of()


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [vars(each)["fields"] for each in caplog.records if each.name == "machinist.access"]
    return [{name: each[name] for name in each if each[name] is not None} for each in found]


async def test_a_query_has_one_line(client, caplog):
    answer = await client.get(f"{MACHINES}?labels=app%3Dhunter2", headers=[TRACEPARENT])

    [line] = lines(caplog)
    assert line.pop("ms") >= 0
    assert line == {
        "method": "GET",
        "route": "/{provider}/machines/{scope}",
        "path": MACHINES,
        "status": 200,
        "bytes": len(answer.body),
        "peer": "127.0.0.1",
        "subject": "127.0.0.1",
        "traceId": TRACE,
    }
    assert "hunter2" not in caplog.text


async def test_the_line_of_a_command_has_its_id_and_the_code_of_its_error(client, caplog):
    answer = await client.send("POST", "/memory/controllers/shop/absent", {"replicas": 1})

    [line] = lines(caplog)
    assert (line["status"], line["code"]) == (404, "not_found")
    assert line["commandId"] == answer.headers["command-id"]
    assert line["route"] == "/{provider}/controllers/{scope}/{name}"


@pytest.mark.parametrize(
    ("method", "target", "status", "route"),
    [
        ("HEAD", MACHINES, 200, "/{provider}/machines/{scope}"),
        ("OPTIONS", MACHINES, 204, "/{provider}/machines/{scope}"),
        ("GET", "/status", 200, "/status"),
        ("GET", "/a/b/c/d/e", 404, None),
        ("DELETE", "/status", 405, None),
    ],
)
async def test_every_request_has_a_line(client, caplog, method, target, status, route):
    await client.ask(method, target)

    [line] = lines(caplog)
    assert (line["method"], line["status"], line.get("route")) == (method, status, route)
    assert method != "HEAD" or line["bytes"] == 0


async def test_a_client_can_neither_forge_a_line_nor_fill_the_log(client, caplog):
    agent = "x\x1b[31m\x85" + "y" * 1000
    target = "/memory/machines/" + "%0a" + "z" * 1000

    await client.get(target, headers=[("user-agent", agent)])

    [record] = [each for each in caplog.records if each.name == "machinist.access"]
    line = OneLine(FORMAT).format(record)
    assert line.isprintable()
    assert len(line) < 1000
    assert "x\\x1b[31m\\x85y" in line


async def spans_of(*requests: tuple[Any, ...]) -> list[Span]:
    """Return the spans that a gateway exports for requests, in their order."""
    with recorded() as collector:
        client = client_of(access_log=False)
        for method, target, headers in requests:
            await client.ask(method, target, headers=headers)
    return sorted(collector.spans, key=lambda span: span.started)


async def test_a_server_span_has_the_template_of_the_route_and_never_the_path():
    [span] = await spans_of(("GET", f"{MACHINES}?labels=a%3Db", [("user-agent", "curl/8")]))

    assert (span.name, span.kind) == ("GET /{provider}/machines/{scope}", "SERVER")
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/{provider}/machines/{scope}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
    }


async def test_a_request_without_a_route_or_with_an_unknown_method_adds_no_name():
    spans = await spans_of(("GET", "/a/b/c/d/e", []), ("BREW", MACHINES, []))

    assert [span.name for span in spans] == ["GET", "_OTHER"]
    assert [span.error for span in spans] == [None, None]


async def test_probes_have_no_span():
    assert await spans_of(("GET", "/status", []), ("GET", "/ready", [])) == []


async def test_the_context_of_the_server_span_is_in_the_message():
    loopback = Loopback(Dispatch("memory", MemoryProvider(), Seals([])))
    with recorded() as collector:
        client = Client(Observed(gateway_over(loopback), access_log=False))
        await client.get(MACHINES, headers=[TRACEPARENT, ("tracestate", "a=1")])
    [span] = collector.spans

    assert (span.trace, span.parent) == (TRACE, "00f067aa0ba902b7")
    headers = loopback.messages[0].headers
    assert headers["traceparent"] == f"00-{TRACE}-{span.id}-01"
    assert headers["tracestate"] == "a=1"
