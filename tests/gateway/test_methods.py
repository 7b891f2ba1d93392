"""HEAD for every GET, and OPTIONS with the exact methods of a resource."""

from collections import defaultdict

import pytest

from contracts.api import OPERATIONS
from gateway.documentation import operations
from tests.gateway.served import exchange, request, status_of

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OWN = [
    "/status",
    "/ready",
    *("/documentation", "/documentation/messages"),
    *("/documentation/json", "/documentation/asyncapi"),
    *(operations.SCRIPT, operations.STYLE),
]


def resources() -> dict[str, set[str]]:
    """Return the methods of every resource by an example path."""
    found: dict[str, set[str]] = defaultdict(lambda: {"OPTIONS"})
    for operation in OPERATIONS.values():
        row = operation.row
        path = row.path.format(scope="shop", id="hello-0", name="hello")
        found[f"/memory{path}"] |= {"GET", "HEAD"} if row.safe else {row.method}
    return found | {path: {"GET", "HEAD", "OPTIONS"} for path in OWN}


RESOURCES = resources()
EVERY_RESOURCE = pytest.mark.parametrize("path", RESOURCES)
READABLE = [path for path, methods in RESOURCES.items() if "GET" in methods]


@EVERY_RESOURCE
async def test_options_has_exactly_the_methods_of_a_resource(client, memory, path):
    answer = await client.ask("OPTIONS", path)

    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == RESOURCES[path]
    assert not memory.calls


@EVERY_RESOURCE
async def test_any_other_method_is_405_with_the_same_allow(client, memory, path):
    for method in sorted(METHODS - RESOURCES[path]):
        answer = await client.ask(method, path)

        assert answer.status == 405, method
        assert set(answer.headers["allow"].split(", ")) == RESOURCES[path], method
    assert not memory.calls


@EVERY_RESOURCE
async def test_no_allowed_method_is_405(client, path):
    for method in RESOURCES[path]:
        assert (await client.ask(method, path)).status != 405, method


@pytest.mark.parametrize("query", ["", "?labels=app=hello", "?labels=nonsense"])
@pytest.mark.parametrize("path", READABLE)
async def test_the_response_to_head_is_that_to_get_without_the_body(client, memory, path, query):
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    expected = await client.get(path + query)

    answer = await client.ask("HEAD", path + query)

    assert (answer.status, answer.headers) == (expected.status, expected.headers)
    assert answer.body == b""
    assert answer.headers["content-length"] == str(len(expected.body))


@pytest.mark.parametrize("path", ["/status", "/memory/machines/shop", "/memory/pods"])
async def test_a_connection_can_be_reused_after_head_and_options(served_memory, path):
    lines = [f"{method} {path} HTTP/1.1" for method in ("HEAD", "OPTIONS")]
    first = "".join(f"{line}\r\nhost: gateway.test\r\n\r\n" for line in lines).encode()

    answer = await exchange(served_memory, first + request(b"GET /status HTTP/1.1"))

    assert answer.count(b"HTTP/1.1 ") == 3
    assert status_of(answer) == status_of(
        await exchange(served_memory, request(f"GET {path} HTTP/1.1".encode()))
    )
    assert answer.endswith(b"}")
