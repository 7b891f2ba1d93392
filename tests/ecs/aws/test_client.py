"""Failures in the client: retries that are safe, and correct claims about effects."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from contracts import VERSION
from contracts.faults import Code, Fault
from tests.calls import ample
from tests.ecs.aws.scripted import Request, Response, Scripted, answer, failure
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers.ecs.aws.answers import Nothing, OneService, TaskArns, Tasks
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.aws.limits import Limits

URL = "http://aws.test"
LOST = ConnectionClosedError(endpoint_url=URL)
REFUSED = EndpointConnectionError(
    endpoint_url=URL,
    error=aiohttp.ClientConnectorError(
        ConnectionKey("aws.test", 80, False, True, None, None, None), OSError(111, "refused")
    ),
)
THROTTLED = failure("ThrottlingException", "Rate exceeded")
BROKEN = failure("ServerException", "sorry", 500)
TASKS = answer({"tasks": [], "failures": []})
SERVICE = answer({"service": {"serviceArn": "a", "serviceName": "web", "status": "ACTIVE"}})
UNSENT = [REFUSED, ConnectTimeoutError(endpoint_url=URL)]
MAYBE_EXECUTED = [LOST, BROKEN]


async def read(aws: Scripted, seconds: float = 10, **settings: Any) -> Tasks:
    async with aws.client(**settings) as client:
        bound = client.for_call(Call.within(seconds))
        return await bound.ask("ecs:DescribeTasks", Tasks, cluster="shop", tasks=["a"])


async def write(aws: Scripted, seconds: float = 10, *, repeat: bool = True) -> OneService:
    async with aws.client() as client:
        bound = client.for_call(Call.within(seconds))
        return await bound.ask(
            "ecs:UpdateService",
            OneService,
            repeat=repeat,
            cluster="shop",
            service="web",
            desiredCount=2,
        )


async def test_a_request_is_signed_and_names_its_sender():
    aws = Scripted(TASKS)

    await read(aws)

    [request] = aws.requests
    assert (request.action, request.parameters) == (
        "DescribeTasks",
        {"cluster": "shop", "tasks": ["a"]},
    )
    assert "Credential=key/" in request.headers["Authorization"]
    assert "/eu-central-1/ecs/" in request.headers["Authorization"]
    assert f"machinist/{VERSION}" in request.headers["User-Agent"]


@pytest.mark.parametrize("send", [read, write])
@pytest.mark.parametrize("first", [*UNSENT, *MAYBE_EXECUTED, THROTTLED], ids=str)
async def test_a_transient_failure_is_retried(send, first):
    aws = Scripted(first, TASKS if send is read else SERVICE)

    await send(aws)

    assert len(aws.requests) == 2


@pytest.mark.parametrize("send", [read, write])
@pytest.mark.parametrize(
    ("response", "code"),
    [
        (THROTTLED, Code.PLATFORM_LIMITING),
        (REFUSED, Code.PLATFORM_UNREACHABLE),
        (LOST, Code.PLATFORM_FAILED),
        (BROKEN, Code.PLATFORM_FAILED),
    ],
)
async def test_a_lasting_failure_is_tried_four_times(send, response, code):
    aws = Scripted(response)

    with pytest.raises(Failure) as raised:
        await send(aws)

    assert raised.value.code is code
    assert len(aws.requests) == 4


@pytest.mark.parametrize("response", MAYBE_EXECUTED, ids=str)
async def test_a_request_that_must_not_be_repeated_is_not_retried_after_a_lost_answer(response):
    aws = Scripted(response, SERVICE)

    with pytest.raises(Failure) as raised:
        await write(aws, repeat=False)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert len(aws.requests) == 1


@pytest.mark.parametrize("response", [*UNSENT, THROTTLED], ids=str)
async def test_a_request_that_must_not_be_repeated_is_retried_if_it_was_not_executed(response):
    aws = Scripted(response, SERVICE)

    await write(aws, repeat=False)

    assert len(aws.requests) == 2


async def test_a_failure_records_whether_an_earlier_attempt_may_have_had_an_effect():
    absent = failure("ServiceNotFoundException")

    with pytest.raises(Failure) as alone:
        await write(Scripted(absent))
    with pytest.raises(Failure) as after:
        await write(Scripted(LOST, absent))

    assert not alone.value.after_loss
    assert after.value.after_loss


@pytest.mark.parametrize("response", [THROTTLED, REFUSED], ids=str)
async def test_a_lost_answer_forbids_the_claim_that_nothing_was_done(response):
    with pytest.raises(Fault, match="may have had an effect") as raised:
        await write(Scripted(LOST, response))

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_change_forbids_the_claim_that_nothing_was_done():
    aws = Scripted(answer({}), THROTTLED)

    async with aws.client() as client:
        bound = client.for_call(ample())
        await bound.ask("ecs:TagResource", Nothing, resourceArn="a", tags=[])
        with pytest.raises(Fault, match="may have had an effect") as raised:
            await bound.ask("ecs:DescribeTasks", Tasks, tasks=["a"])

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_refusal_after_reads_still_claims_that_nothing_was_done():
    aws = Scripted(LOST, TASKS, THROTTLED)

    async with aws.client() as client:
        bound = client.for_call(ample())
        await bound.ask("ecs:DescribeTasks", Tasks, tasks=["a"])
        with pytest.raises(Failure) as raised:
            await bound.ask("ecs:UpdateService", OneService, service="web")

    assert raised.value.code is Code.PLATFORM_LIMITING


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b""),
        Response(200, b"null"),
        Response(200, b"[1]"),
        Response(200, b"hello"),
        Response(200, b"\xff"),
        Response(200, b'{"tasks": 3}'),
        Response(200, b'{"tasks": [3]}'),
        Response(200, b'{"tasks": [{"startedAt": {}}]}'),
        Response(200, b'{"tasks": [{"taskArn": 7, "lastStatus": "RUNNING"}]}'),
        Response(400, b"[1]"),
        Response(400, b'{"__type": 7}'),
        Response(400, b""),
        Response(403, b"<html>"),
        Response(302, b""),
        Response(200, b'{"tasks": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        Response(400, b'{"message": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
        Response(400, b'{"__type": ' + b"[" * 500 + b"]" * 500 + b"}"),
        Response(307, b'{"__type": "ThrottlingException"}', {"location": "https://portal.test"}),
    ],
    ids=lambda response: f"{response.status} {response.body[:40]!r}",
)
async def test_a_malformed_response_is_platform_failed(response):
    with pytest.raises(Failure) as raised:
        await read(Scripted(response))

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_malformed_response_to_a_change_may_follow_an_effect():
    aws = Scripted(Response(200, b"[1]"), THROTTLED)

    async with aws.client() as client:
        bound = client.for_call(ample())
        with pytest.raises(Failure):
            await bound.ask("ecs:UpdateService", OneService, service="web")
        with pytest.raises(Fault, match="may have had an effect"):
            await bound.ask("ecs:DescribeTasks", Tasks, tasks=["a"])


async def test_an_unreadable_response_is_not_quoted():
    with pytest.raises(Failure) as raised:
        await read(Scripted(Response(200, b'{"tasks": "s3cret\xff"}')))

    assert "s3cret" not in raised.value.message


async def test_nothing_is_sent_after_the_deadline():
    aws = Scripted(TASKS)

    with pytest.raises(Fault) as raised:
        await read(aws, seconds=0)

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert aws.requests == []


async def test_no_request_is_retried_after_the_fence_closed():
    ours = True

    def lose(asked: Request) -> Response:
        nonlocal ours
        ours = False
        raise LOST

    aws = Scripted(lose, SERVICE)
    async with aws.client() as client:
        bound = client.for_call(Call(asyncio.get_running_loop().time() + 10, lambda: ours))
        with pytest.raises(Failure) as raised:
            await bound.ask("ecs:UpdateService", OneService, service="web")

    assert raised.value.code is Code.PLATFORM_FAILED
    assert len(aws.requests) == 1


async def test_pages_are_followed_by_the_token_of_the_service():
    pages = [
        answer({"taskArns": ["a/1"], "nextToken": "x"}),
        answer({"taskArns": [], "nextToken": "y"}),
        answer({"taskArns": ["a/2"], "nextToken": ""}),
    ]
    aws = Scripted(*pages)

    async with aws.client() as client:
        bound = client.for_call(ample())
        found = [page.task_arns async for page in bound.pages("ecs:ListTasks", TaskArns)]

    assert found == [["a/1"], [], ["a/2"]]
    assert [each.parameters.get("nextToken") for each in aws.requests] == [None, "x", "y"]


@pytest.mark.parametrize("token", [7, ["x"], {"a": "b"}], ids=str)
async def test_a_page_token_that_is_no_text_is_platform_failed(token):
    aws = Scripted(answer({"taskArns": ["a/1"], "nextToken": token}))

    async with aws.client() as client:
        bound = client.for_call(Call.within(10))
        with pytest.raises(Failure, match="nextToken is not a text") as raised:
            async for _ in bound.pages("ecs:ListTasks", TaskArns):
                pass

    assert raised.value.code is Code.PLATFORM_FAILED


async def test_a_list_that_repeats_its_page_token_is_platform_failed():
    aws = Scripted(answer({"taskArns": ["a/1"], "nextToken": "x"}))

    async with aws.client() as client:
        bound = client.for_call(ample())
        with pytest.raises(Failure, match="nextToken is the same as before"):
            async for _ in bound.pages("ecs:ListTasks", TaskArns):
                pass

    assert len(aws.requests) == 2


async def test_a_rate_limit_beyond_the_deadline_sends_nothing_and_sets_retry_after():
    aws = Scripted(SERVICE)

    async with aws.client() as client:
        drain(client.limits, "ecs:UpdateService", 50 + 5 * 120)
        with pytest.raises(Failure, match="was not sent") as raised:
            await client.for_call(ample()).ask("ecs:UpdateService", OneService, service="web")

    assert raised.value.code is Code.PLATFORM_LIMITING
    assert raised.value.retry_after in {120, 121}
    assert aws.requests == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_concurrent_requests_are_limited(limit):
    aws = Scripted(TASKS)

    async with aws.client(ecs_concurrency=limit) as client:
        bound = client.for_call(ample())
        await gather_all(*(bound.ask("ecs:DescribeTasks", Tasks, tasks=["a"]) for _ in range(10)))

    assert aws.most_at_once == limit
    assert len(aws.requests) == 10


async def test_a_request_waits_for_its_rate_limit():
    aws = Scripted(SERVICE)
    loop = asyncio.get_running_loop()

    async with aws.client() as client:
        drain(client.limits, "ecs:UpdateService", 50)
        since = loop.time()
        await client.for_call(ample()).ask("ecs:UpdateService", OneService, service="web")

    assert loop.time() - since > 0.1


async def test_a_request_cancelled_in_its_rate_limit_returns_its_token():
    aws = Scripted(SERVICE)

    async with aws.client() as client:
        drain(client.limits, "ecs:UpdateService", 60)
        before = client.limits.wait("ecs:UpdateService")
        bound = client.for_call(Call.within(60))
        waiting = asyncio.create_task(bound.ask("ecs:UpdateService", OneService, service="web"))
        await asyncio.sleep(0)
        taken = client.limits.wait("ecs:UpdateService")
        waiting.cancel()
        await asyncio.wait([waiting])

        assert taken > before
        assert client.limits.wait("ecs:UpdateService") < taken
    assert aws.requests == []


async def test_a_throttled_action_delays_all_its_requests():
    aws = Scripted(THROTTLED)

    async with aws.client(ecs_attempts=1) as client:
        with pytest.raises(Failure):
            await client.for_call(ample()).ask("ecs:UpdateService", OneService, service="web")
        assert client.limits.wait("ecs:UpdateService") > 0


def drain(limits: Limits, action: str, times: int) -> None:
    for _ in range(times):
        limits.take(action)
