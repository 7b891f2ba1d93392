"""Records the answers of platforms and a gateway as examples for the documents."""

from collections.abc import Awaitable
from typing import Any

import msgspec

from contracts import VERSION, api, outcomes
from contracts.broker.attendance import Announcement, Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.outcomes import Result
from contracts.seal import Seals
from gateway.app import application
from gateway.calls.checks import Checks
from tests.documents import operations
from tests.documents.normaliser import Normaliser
from tests.examples import manifest, message_of
from tests.gateway.client import Client
from tests.loopback import Front, Loopback
from tests.memory import MemoryProvider
from tests.providers.platforms import Platform
from worker.dispatch import Dispatch, methods
from worker.provider import Call, Port

KEYS = Seals([bytes(32)])
NOW = 1_790_000_000.0

BY_HAND = {
    Code.UNAUTHENTICATED: "expected one header Authorization: Bearer TOKEN, got none",
    Code.FORBIDDEN: "the subject ci does not have the right change in this scope of this provider: "
    "see PLT_AUTH_RIGHTS",
    Code.INTERNAL: "get_machines failed unexpectedly; see the worker's log",
    Code.NOT_UNDERSTOOD: "operation 'get_machine' is unknown here",
    Code.SEAL_NOT_OPENED: "the body is sealed with a key that is not configured here",
    Code.REPLY_TOO_LARGE: "the answer to get_machines has 13000000 bytes, the limit is 12582912: "
    "narrow it by labels",
    Code.IDENTITY_UNAVAILABLE: "the keys of the issuer of tokens could not be read yet; the "
    "gateway's log has the reason",
    Code.BROKER_UNREACHABLE: "no connection to the broker: not connected yet",
    Code.BROKER_BLOCKED: "the broker's memory or disk alarm is on",
    Code.QUEUE_FULL: "a queue of the provider 'k8s' rejected the message: it is full, or has no "
    "leader at the moment",
    Code.PLATFORM_NOT_READY: "the targets of orders-v6 are not checked yet, nothing has changed: "
    "repeat the request",
    Code.REQUEST_TIMEOUT: "expected the whole body within 30 s",
    Code.GATEWAY_BUSY: "512 requests are in progress already",
    Code.PLATFORM_UNREACHABLE: "the Kubernetes API server cannot be reached: all connection "
    "attempts failed",
}
"""Messages copied from the code, because their faults need a broken broker or a bug."""


async def of_platform(platform: Platform, provider: Port) -> tuple[Any, Any]:
    """Record the exchanges of a platform by operation, and its problems by code."""
    normalise = Normaliser()
    loopback = Loopback(Dispatch(platform.name, provider, KEYS), seals=KEYS)
    exchanges: dict[str, Any] = {}
    problems: dict[str, Any] = {}

    async def ask(operation: Operation[Any]) -> Any:
        reply = await loopback.call(platform.name, operation)
        answer = msgspec.json.decode(reply.body)
        request = msgspec.json.decode(msgspec.json.encode(operation))
        if reply.status == 200:
            exchange = {"request": request, "answer": answer}
            exchanges[operation.row.name] = normalise(exchange)
            return answer
        assert operation.row.name not in methods(provider), answer
        problems[Code.UNSUPPORTED] = normalise(answer)
        return None

    await operations.build(platform.scope, platform.gateway(), ask)
    refused = await _refused(platform, provider)
    await operations.remove(platform.scope, ask)
    platform.cut(times=None)
    refused.append(await _fault(_scaled(platform, provider, Call.within(1))))
    platform.clear_faults()
    platform.throttle(times=None)
    refused.append(await _fault(_scaled(platform, provider, Call.within(1))))
    for fault in refused:
        problems[fault.code] = normalise(msgspec.to_builtins(fault.problem()))
    return exchanges, problems


async def _refused(platform: Platform, provider: Port) -> list[Fault]:
    """Collect the faults of wrong requests to a platform after `operations.build`."""
    scope = platform.scope
    absent = api.GetController(scope, "absent")
    older = api.ApplyRoutePlan(scope, operations.plan(generation=6))
    wrong = api.ApplyRoutePlan(scope, operations.plan(appName="a/b"))
    platform.deny()
    found = [
        await _fault(_scaled(platform, provider, Call.within(10))),
        await _fault(provider.get_controller(absent, Call.within(10))),
        await _fault(provider.apply_route_plan(older, Call.within(10))),
        await _fault(provider.apply_route_plan(wrong, Call.within(10))),
        await _fault(_scaled(platform, provider, Call.within(0))),
    ]
    if "apply_service" in methods(provider):
        portless = api.ApplyService(scope, manifest("Service", spec={"ports": [{"port": 0}]}))
        found.append(await _fault(provider.apply_service(portless, Call.within(10))))
    return found


async def _scaled(platform: Platform, provider: Port, call: Call) -> Any:
    operation = api.UpdateControllerReplicas(platform.scope, operations.NEW, 2)
    return await provider.update_controller_replicas(operation, call)


async def _fault(attempt: Awaitable[Any]) -> Fault:
    try:
        await attempt
    except Fault as fault:
        return fault
    raise AssertionError("expected a fault")


async def of_gateway() -> tuple[dict[str, Any], dict[str, Any]]:
    """Record the gateway's own problems by code, and its own pages."""
    memory = Dispatch("memory", MemoryProvider(), KEYS)
    front = Front()
    loopback = Loopback(memory, expected=["k8s"])
    front.behind = loopback
    link = ReconnectingConnection("amqp://broker.test/", "test")
    client = Client(
        application(front, link, loopback.attendance, Checks(Attendance([])), 1_000_000)
    )
    hello = "/memory/controllers/default/hello"
    asked = [
        await client.send("POST", hello, {"replicas": -1}),
        await client.get("/k8s/machines/default"),
        await client.get("/k9s/machines/default"),
        await client.get("/memory/machine"),
        await client.send("PATCH", hello, {"replicas": 1}),
        await client.ask("POST", hello, b"replicas=1", content_type="text/plain"),
        await client.ask("PUT", "/memory/services/default", b" " * 1_000_001),
        await client.send("PUT", "/memory/secrets/default", {"metadata": {"name": "a"}}),
    ]
    found = {answer.json()["code"]: answer.json() for answer in asked}
    pages = {"status-200": (await client.get("/status")).json()}
    pages["ready-503"] = (await client.get("/ready")).json()
    link.ready()
    worker = Announcement("k8s/host-1", "k8s", VERSION, NOW, [0, 1, 2, 3])
    loopback.attendance.hear(worker.message())
    pages["ready-200"] = (await client.get("/ready")).json()
    normalise = Normaliser()
    return normalise(found), normalise(pages)


def outcome() -> Any:
    """Return the final record of a scaling."""
    command = message_of(api.UpdateControllerReplicas("default", "hello-v2", 3))
    what = {
        "started": outcomes.at(NOW),
        "finished": outcomes.at(NOW),
        "worker": "k8s/host-1",
        "status": 200,
        "before": {"replicas": 2, "running": 2},
        "after": {"replicas": 3, "running": 2},
    }
    record = outcomes.outcome_of(command, "k8s", Result.DONE, **what)
    return Normaliser()(msgspec.json.decode(msgspec.json.encode(record)))


def whole(platforms: dict[str, tuple[Any, Any]], gateway: tuple[Any, Any]) -> dict[str, Any]:
    """Return the contents of the examples file."""
    speakers: dict[str, dict[str, Any]] = {name: found for name, (_, found) in platforms.items()}
    speakers["gateway"] = gateway[0]
    for code, words in BY_HAND.items():
        speakers["gateway"][code] = msgspec.to_builtins(Fault(code, words).problem())
    return {
        "operations": {
            name: {each: found[name] for each, (found, _) in platforms.items() if name in found}
            for name in api.OPERATIONS
        },
        "problems": {
            str(code): {
                speaker: found[code] for speaker, found in speakers.items() if code in found
            }
            for code in Code
        },
        "pages": gateway[1],
        "outcome": outcome(),
    }
