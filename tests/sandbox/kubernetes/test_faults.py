"""The call log and faults."""

import asyncio
import contextlib
import time
from typing import Literal

import httpx
import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.sandbox.kubernetes.conftest import Connect, until

PODS = "/api/v1/namespaces/default/pods"
SCALE = "/apis/apps/v1/namespaces/default/deployments/hello/scale"
MERGE = {"content-type": "application/merge-patch+json"}
Moment = Literal["before", "after"]
TO_FIVE = {"spec": {"replicas": 5}}


def replicas(sandbox: KubernetesSandbox) -> int:
    hello = sandbox.read("deployments.apps", "hello")
    assert hello is not None
    return int(hello["spec"]["replicas"])


async def test_a_delay_holds_the_request_before_it_acts(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.faults.add(method="PATCH", path="/scale$", delay=0.2, times=1)
    started = time.monotonic()
    request = asyncio.create_task(api.patch(SCALE, json=TO_FIVE, headers=MERGE))
    await until(lambda: sandbox.calls.count("PATCH"))
    waiting = sandbox.calls.matching("PATCH")[0].t_end, replicas(sandbox)
    await request

    assert waiting == (None, 2)
    assert time.monotonic() - started >= 0.2
    assert replicas(sandbox) == 5


async def test_an_error_answer_repeats_and_nothing_is_done(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.faults.add(
        path="/scale$", status=503, body='{"kind":"Status"}', headers={"retry-after": "2"}, times=2
    )
    answers = [await api.patch(SCALE, json=TO_FIVE, headers=MERGE) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert answers[0].json() == {"kind": "Status"}


async def test_a_fault_can_be_for_one_page_only(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    status = {"kind": "Status", "code": 500}
    sandbox.faults.add(path="/pods$", query="continue=", status=500, body=status, times=None)
    first = await api.get(PODS, params={"limit": 1})
    token = first.json()["metadata"]["continue"]
    second = await api.get(PODS, params={"limit": 1, "continue": token})

    assert (first.status_code, second.status_code, second.json()) == (200, 500, status)


async def test_overload_is_429_in_plain_text(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    sandbox.faults.overload()
    answer = await api.get(PODS)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize(("moment", "expected"), [("before", 2), ("after", 5)])
async def test_a_connection_is_cut_before_or_after_acting(
    sandbox: KubernetesSandbox, connect: Connect, http2: bool, moment: Moment, expected: int
) -> None:
    sandbox.faults.add(path="/scale$", disconnect=moment, times=1)
    client = connect(http2=http2)
    with pytest.raises(httpx.TransportError):
        await client.patch(SCALE, json=TO_FIVE, headers=MERGE)

    assert replicas(sandbox) == expected
    assert sandbox.calls.matching("PATCH")[0].status is None
    assert (await client.get(PODS)).status_code == 200


async def test_an_http2_connection_can_be_told_to_go_away(
    sandbox: KubernetesSandbox, connect: Connect
) -> None:
    sandbox.faults.add(path="/pods$", goaway=True, times=1)
    client = connect(http2=True)
    first = await client.get(PODS)
    # The client may receive GOAWAY before or after its next request.
    with contextlib.suppress(httpx.RemoteProtocolError):
        await client.get("/version")
    logged = sandbox.calls.count()
    last = await client.get(PODS)

    assert (first.http_version, first.status_code) == ("HTTP/2", 200)
    assert logged == len([call for call in sandbox.calls if call.status == 200]) - 1
    assert last.status_code == 200


async def test_calls_are_logged_with_bodies_of_writes(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient
) -> None:
    await api.get(PODS, params={"limit": 1}, headers={"user-agent": "me/1"})
    await api.patch(SCALE, json=TO_FIVE, headers=MERGE)
    read, write = sandbox.calls

    assert (read.method, read.path, read.query, read.user_agent) == ("GET", PODS, "limit=1", "me/1")
    assert (read.status, read.body) == (200, None)
    assert sandbox.calls.writes() == [write]
    assert write.body is not None
    assert b"replicas" in write.body
    assert write.t_end is not None
    assert write.t_start <= write.t_end
    assert sandbox.calls.count("GET", r"/pods$") == 1


async def test_calls_and_faults_are_available_over_http(sandbox: KubernetesSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client:
        fault = {"path": "version", "status": 500, "times": 1}
        await client.post("/_sandbox/faults", json=fault)
        failed = await client.get("/version")
        calls = (await client.get("/_sandbox/calls")).json()
        faults = (await client.get("/_sandbox/faults")).json()
        wrong = await client.post("/_sandbox/faults", json={"status": "many"})
        unknown = await client.post("/_sandbox/faults", json={"stauts": 500})
        sandbox.remove("pods", "store-0")
        await client.post("/_sandbox/reset")

    assert failed.status_code == 500
    assert [(call["path"], call["status"]) for call in calls] == [("/version", 500)]
    assert faults[0]["hits"] == 1
    assert (wrong.status_code, unknown.status_code) == (400, 400)
    assert sandbox.calls.count() == 0
    assert sandbox.read("pods", "store-0") is not None


async def test_a_delayed_request_does_not_delay_the_shutdown() -> None:
    async with asyncio.timeout(60):
        async with KubernetesSandbox() as sandbox:
            sandbox.faults.add(delay=60, times=None)
            async with httpx.AsyncClient(base_url=sandbox.url, verify=sandbox.trust()) as client:
                request = asyncio.create_task(client.get("/version"))
                await until(lambda: sandbox.calls.count())
                request.cancel()
                await asyncio.wait([request])


@pytest.mark.parametrize("code", [401, 404, 409, 422])
async def test_a_denial_has_the_code_of_the_webhook_and_the_message_of_the_server(
    sandbox: KubernetesSandbox, api: httpx.AsyncClient, code: int
) -> None:
    sandbox.faults.deny(code, "not in this house", method="PATCH")

    denied = await api.patch(SCALE, json=TO_FIVE, headers=MERGE)

    assert denied.status_code == code
    assert denied.json()["code"] == code
    assert denied.json()["message"] == (
        'admission webhook "objects.example.com" denied the request: not in this house'
    )
    assert replicas(sandbox) == 2
