"""The client's handling of failures: safe retries, and faults that promise only what is known."""

from typing import Any

import httpx
import pytest

from contracts import VERSION
from contracts.faults import Code, Fault
from tests.calls import ample
from tests.kubernetes.objects import pod
from tests.kubernetes.scripted import Scripted, answer, failure, page, text
from worker.provider import Call
from worker.providers.k8s.api.errors import Again
from worker.providers.k8s.api.retries import REPEATS
from worker.providers.k8s.objects import ListOf, Pod

LOST = httpx.RemoteProtocolError("Server disconnected without sending a response.")
REFUSED = httpx.ConnectError("connection refused")
BUSY = text("Too many requests, please try again later.", 429, "text/plain", retry_after="1")
BUSY_FOR_LONG = text("Too many requests.", 429, "text/plain", retry_after="60")
CONFLICT = failure(409, "Conflict", "the object has been modified")
POD = answer(pod("web-1"))
PATH = "/api/v1/namespaces/default/pods/web-1"


async def read(server: Scripted, folder: Any, seconds: float = 10) -> Pod:
    async with server.client(folder) as client:
        return await client.for_call(Call.within(seconds)).get(PATH, Pod)


async def write(server: Scripted, folder: Any, seconds: float = 10) -> Pod:
    async with server.client(folder) as client:
        return await client.for_call(Call.within(seconds)).patch(PATH, {"a": 1}, Pod)


async def test_a_request_has_credentials_user_agent_and_accept_headers(tmp_path):
    server = Scripted(POD)

    await read(server, tmp_path)

    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer first-token"
    assert headers["user-agent"] == f"machinist/{VERSION}"
    assert headers["accept"] == "application/json"
    assert "gzip" in headers["accept-encoding"]
    assert "content-type" not in headers


async def test_a_patch_is_a_merge_patch(tmp_path):
    server = Scripted(POD)

    await write(server, tmp_path)

    [request] = server.requests
    assert (request.method, request.content) == ("PATCH", b'{"a":1}')
    assert request.headers["content-type"] == "application/merge-patch+json"


@pytest.mark.parametrize("send", [read, write])
@pytest.mark.parametrize("lost", [LOST, httpx.ReadError(""), httpx.WriteError("")])
async def test_a_request_is_retried_after_a_lost_connection(tmp_path, send, lost):
    server = Scripted(lost, POD)

    assert (await send(server, tmp_path)).metadata.name == "web-1"
    assert len(server.requests) == 2


@pytest.mark.parametrize("send", [read, write])
async def test_repeatedly_lost_connections_end_as_platform_failed(tmp_path, send):
    with pytest.raises(Fault, match="connection to Kubernetes was lost") as raised:
        await send(Scripted(LOST), tmp_path, seconds=1)

    assert raised.value.code is Code.PLATFORM_FAILED


@pytest.mark.parametrize("send", [read, write])
async def test_a_refused_connection_ends_as_not_attempted(tmp_path, send):
    server = Scripted(REFUSED)

    with pytest.raises(Fault, match="cannot be reached: connection refused") as raised:
        await send(server, tmp_path)

    assert (raised.value.code, raised.value.retry_after) == (Code.PLATFORM_UNREACHABLE, 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("send", [read, write])
async def test_a_retry_after_within_the_deadline_is_awaited(tmp_path, send):
    assert (await send(Scripted(BUSY, POD), tmp_path)).metadata.name == "web-1"


@pytest.mark.parametrize("send", [read, write])
async def test_a_retry_after_beyond_the_deadline_is_returned_at_once(tmp_path, send):
    server = Scripted(BUSY_FOR_LONG)

    with pytest.raises(Fault) as raised:
        await send(server, tmp_path)

    assert (raised.value.code, raised.value.retry_after) == (Code.PLATFORM_LIMITING, 60)
    assert len(server.requests) == 1


@pytest.mark.parametrize("then", [BUSY_FOR_LONG, REFUSED])
async def test_a_write_that_may_have_arrived_never_ends_as_not_attempted(tmp_path, then):
    with pytest.raises(Fault, match="may have had an effect") as raised:
        await write(Scripted(LOST, then), tmp_path)

    assert raised.value.code is Code.PLATFORM_FAILED


@pytest.mark.parametrize(
    ("then", "code"),
    [(BUSY_FOR_LONG, Code.PLATFORM_LIMITING), (REFUSED, Code.PLATFORM_UNREACHABLE)],
)
async def test_a_read_that_may_have_arrived_ends_as_not_attempted(tmp_path, then, code):
    with pytest.raises(Fault) as raised:
        await read(Scripted(LOST, then), tmp_path)

    assert raised.value.code is code


async def test_a_call_with_an_effect_never_ends_as_not_attempted(tmp_path):
    async with Scripted(POD, REFUSED).client(tmp_path) as client:
        kube = client.for_call(ample())
        await kube.patch(PATH, {"a": 1}, Pod)

        with pytest.raises(Fault) as raised:
            await kube.get(PATH, Pod)

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_conflict_is_retried_until_it_disappears(tmp_path):
    server = Scripted(CONFLICT, CONFLICT, CONFLICT, POD)

    await write(server, tmp_path)

    assert len(server.requests) == 4


async def test_a_lasting_conflict_ends_as_platform_failed(tmp_path):
    with pytest.raises(Fault, match="other clients kept changing the object: the object") as raised:
        await write(Scripted(CONFLICT), tmp_path, seconds=0.6)

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_request_with_a_refused_token_is_retried_once_with_the_new_token(tmp_path):
    unauthorized = failure(401, "Unauthorized", "Unauthorized")

    def rotated(request: httpx.Request) -> httpx.Response:
        (tmp_path / "token").write_text("second-token")
        return unauthorized

    server = Scripted(rotated, POD)

    await read(server, tmp_path)

    assert [each.headers["authorization"] for each in server.requests] == [
        "Bearer first-token",
        "Bearer second-token",
    ]


async def test_credentials_that_stay_refused_are_platform_failed(tmp_path):
    server = Scripted(failure(401, "Unauthorized", "Unauthorized"))

    with pytest.raises(Fault, match="did not accept the worker's credentials") as raised:
        await read(server, tmp_path)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert "first-token" not in raised.value.message
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "wrong_body",
    [
        text("<html>Sign in</html>", 200),
        text("", 200),
        answer({"kind": "Pod", "metadata": {"name": "web-1"}}),
        answer([1, 2, 3]),
        httpx.Response(200, content=b'{"metadata": \xff}'),
        httpx.Response(200, content=b'{"metadata": {"name": "web'),
    ],
)
async def test_a_body_of_an_unexpected_type_is_platform_failed(tmp_path, wrong_body):
    with pytest.raises(Fault, match="does not match the expected type") as raised:
        await read(Scripted(wrong_body), tmp_path)

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_nothing_is_sent_after_the_deadline(tmp_path):
    server = Scripted(POD)

    with pytest.raises(Fault) as raised:
        await read(server, tmp_path, seconds=0)

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert server.requests == []


async def listed(server: Scripted, folder: Any, selector: str | None = None) -> list[str]:
    async with server.client(folder) as client:
        kube = client.for_call(ample())
        pods = await kube.list("/api/v1/namespaces/default/pods", ListOf[Pod], selector)
        return [each.metadata.name for each in pods]


async def test_a_list_is_read_page_by_page(tmp_path):
    server = Scripted(page(pod("a"), pod("b"), token="x+/="), page(pod("c")))

    assert await listed(server, tmp_path) == ["a", "b", "c"]
    assert [each.partition("?")[2] for each in server.asked] == [
        "limit=500",
        "limit=500&continue=x%2B%2F%3D",
    ]


async def test_every_character_of_a_selector_is_escaped(tmp_path):
    server = Scripted(page())

    await listed(server, tmp_path, "a=b,c in (d,e),!f/g")

    [asked] = server.asked
    assert asked.partition("&")[2] == "labelSelector=a%3Db%2Cc%20in%20%28d%2Ce%29%2C%21f%2Fg"


@pytest.mark.parametrize("items", [None, []])
async def test_an_empty_list_may_be_null(tmp_path, items):
    server = Scripted(answer({"metadata": {}, "items": items}))

    assert await listed(server, tmp_path) == []


async def test_a_list_with_an_expired_snapshot_continues_after_its_last_name(tmp_path):
    expired = answer(
        {
            "kind": "Status",
            "metadata": {"continue": "fresh"},
            "message": "too old",
            "reason": "Expired",
            "code": 410,
        },
        410,
    )
    server = Scripted(page(pod("a"), token="old"), expired, page(pod("b")))

    assert await listed(server, tmp_path) == ["a", "b"]
    assert server.asked[-1].endswith("continue=fresh")


@pytest.mark.parametrize(
    "expired",
    [
        failure(410, "Expired", "the resourceVersion for the provided list is too old"),
        answer({"kind": "Status", "metadata": {"continue": ""}, "reason": "Gone"}, 410),
    ],
)
async def test_an_expired_list_without_a_continue_token_starts_again(tmp_path, expired):
    server = Scripted(
        page(pod("a"), token="old"), expired, page(pod("a"), token="new"), page(pod("b"))
    )

    assert await listed(server, tmp_path) == ["a", "b"]
    assert ["continue=" in each for each in server.asked] == [False, True, False, True]


async def test_a_list_with_an_expired_first_page_starts_again(tmp_path):
    expired = failure(410, "Expired", "too old resource version")

    assert await listed(Scripted(expired, page(pod("a"))), tmp_path) == ["a"]


@pytest.mark.parametrize("token", ["", "fresh"])
async def test_a_list_that_expires_repeatedly_is_a_fault_and_never_partial(tmp_path, token):
    status = {"kind": "Status", "metadata": {"continue": token}, "message": "too old"}
    server = Scripted(page(pod("a"), token="old"), answer(status, 410))

    with pytest.raises(Fault, match="too old") as raised:
        await listed(server, tmp_path)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert len(server.asked) == 2 + REPEATS[Again.EXPIRED]
