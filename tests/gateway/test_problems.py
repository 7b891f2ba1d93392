"""Errors: one shape, the correct headers, and no internal details."""

import pytest

from contracts.faults import STATUS, Code, Fault
from contracts.seal import Seals
from gateway.context import NOTHING
from tests.gateway.client import Answer, Client
from tests.gateway.conftest import KEYS
from tests.loopback import Loopback, gateway_over
from worker.dispatch import Dispatch

MESSAGE = "the platform's message"


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """Assert that the response has exactly the RFC 9457 members and machinist's own."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() - {"commandId"} == {
        "type", "title", "status", "detail", "statusCode", "code", "error", "message",
    }  # fmt: skip
    assert problem.get("commandId") == answer.headers.get("command-id")
    assert problem["status"] == problem["statusCode"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:machinist:fault:{code}"
    assert problem["title"] == problem["error"]
    assert problem["detail"] == problem["message"]
    assert "Traceback" not in problem["message"]
    assert ("retry-after" in answer.headers) == (status in {429, 503})


@pytest.mark.parametrize("code", list(Code), ids=str)
async def test_every_fault_of_a_provider_has_the_same_shape(client, memory, code):
    memory.failures.append(Fault(code, MESSAGE))

    answer = await client.get("/memory/machines/shop")

    assert_problem(answer, int(STATUS[code]), code)
    assert answer.json()["message"] == MESSAGE


async def test_the_retry_after_of_a_platform_is_passed_on(client, memory):
    memory.failures.append(Fault(Code.PLATFORM_LIMITING, MESSAGE, retry_after=17))

    answer = await client.get("/memory/machines/shop")

    assert answer.headers["retry-after"] == "17"


async def test_a_bug_in_a_provider_is_a_500_without_its_text(client, memory, caplog):
    memory.failures.append(RuntimeError("password=hunter2"))

    answer = await client.get("/memory/machines/shop")

    assert_problem(answer, 500, "internal")
    assert b"hunter2" not in answer.body
    assert "RuntimeError: password=hunter2" in caplog.text


async def test_a_bug_in_the_gateway_is_a_500_without_its_text(caplog):
    class Broken(Loopback):
        async def call(self, provider, operation, context=NOTHING):
            raise LookupError("password=hunter2")

    answer = await Client(gateway_over(Broken())).get("/memory/machines/shop")

    assert_problem(answer, 500, "internal")
    assert b"hunter2" not in answer.body
    assert "LookupError: password=hunter2" in caplog.text


async def test_an_unknown_provider_is_404_and_the_known_ones_are_named(client):
    answer = await client.get("/elsewhere/machines/shop")

    assert_problem(answer, 404, "unknown_provider")
    assert "absent" in answer.json()["message"]


async def test_a_provider_without_workers_is_503(client):
    answer = await client.get("/absent/machines/shop")

    assert_problem(answer, 503, "provider_unattended")


@pytest.mark.parametrize(
    "target",
    ["/memory", "/memory/machines", "/memory/pods/shop", "/machines/shop", "/status/x"],
)
async def test_an_unknown_route_is_404(client, target):
    assert_problem(await client.get(target), 404, "unknown_route")


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/memory/machines/shop", {"GET"}),
        ("GET", "/memory/machines/shop/hello/labels", {"PATCH"}),
        ("PATCH", "/memory/controllers/shop/hello", {"GET", "POST", "DELETE"}),
        ("POST", "/memory/gateway/httproutes/shop/hello", {"GET", "DELETE"}),
        ("TRACE", "/memory/machines/shop", {"GET"}),
        ("HEAD", "/memory/machines/shop/hello/labels", {"PATCH"}),
        ("PROPFIND", "/memory/machines/shop", {"GET"}),
        ("DELETE", "/status", {"GET"}),
        ("POST", "/documentation/json", {"GET"}),
    ],
)
async def test_a_wrong_method_is_405_and_the_right_ones_are_named(
    client, memory, method, target, allowed
):
    answer = await client.ask(method, target)

    if method != "HEAD":
        assert_problem(answer, 405, "method_not_allowed")
        assert f"{method} is not allowed on '{target}'" in answer.json()["message"]
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed
    assert not memory.calls


async def test_a_provider_that_lacks_an_operation_is_501():
    class Idle:
        """A provider without operations."""

    worker = Dispatch("idle", Idle(), KEYS)
    client = Client(gateway_over(Loopback(worker, seals=KEYS)))

    answer = await client.send("PUT", "/idle/workloads/default", {"name": "hello"})

    assert_problem(answer, 501, "unsupported")
    assert "apply_workload is not supported by the provider idle" in answer.json()["message"]


async def test_a_secret_is_refused_by_a_gateway_without_a_key(untouched):
    answer = await untouched.send("PUT", "/k8s/secrets/default", {"metadata": {"name": "hello"}})

    assert_problem(answer, 501, "sealing_not_configured")
    assert "PLT_SEAL_KEY" in answer.json()["message"]


async def test_a_secret_is_refused_by_a_worker_with_another_key(memory):
    worker = Dispatch("memory", memory, Seals([b"w" * 32]))
    client = Client(gateway_over(Loopback(worker, seals=Seals([b"g" * 32]))))

    answer = await client.send("PUT", "/memory/secrets/shop", {"metadata": {"name": "hello"}})

    assert_problem(answer, 403, "seal_not_opened")
    assert not memory.calls
