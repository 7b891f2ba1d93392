"""The renewal of credentials: once for all requests, and with a clear fault if it fails."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError

from contracts.faults import Code, Fault
from tests.ecs.aws.scripted import Scripted, answer
from worker.gather_all import gather_all
from worker.provider import Call
from worker.providers.ecs.aws.answers import TaskArns
from worker.providers.ecs.aws.credentials import Credentials, Unavailable

GOOD: dict[str, Any] = {
    "AccessKeyId": "AKIANEXT",
    "SecretAccessKey": "s3cret",
    "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z",
}
WITHOUT_ZONE = [
    GOOD | {"Expiration": expiration}
    for expiration in ("2099-01-01T00:00:00", "2099-01-01", "2099-01-01T00:00:00+25:00")
]
"""The client library stores these times, and then fails to compare them with its clock."""
ROLE_REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")


class Source:
    """A source of credentials for the client library, with a clock that tests set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.answer: Any = GOOD
        self.renewals = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def credentials(self, minutes: float) -> Credentials:
        async def load() -> AioRefreshableCredentials:
            return self._found(minutes=-1)

        return Credentials(self._found(minutes), load)

    def _found(self, minutes: float) -> AioRefreshableCredentials:
        return AioRefreshableCredentials(
            "AKIAFIRST",
            "s3cret",
            "token",
            self.now + timedelta(minutes=minutes),
            self._renewed,
            "a-source",
            time_fetcher=lambda: self.now,
        )

    async def _renewed(self) -> dict[str, Any]:
        self.renewals += 1
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return {
            "access_key": self.answer["AccessKeyId"],
            "secret_key": self.answer["SecretAccessKey"],
            "token": self.answer["Token"],
            "expiry_time": self.answer["Expiration"],
        }


async def ask(aws: Scripted, credentials: Credentials, seconds: float = 10) -> None:
    async with aws.client(credentials) as client:
        await client.for_call(Call.within(seconds)).ask("ecs:ListTasks", TaskArns, cluster="shop")


@pytest.mark.parametrize(
    "given",
    [
        None,
        [1],
        {},
        {"Message": "s3cret"},
        GOOD | {"Expiration": "2020-01-01T00:00:00Z"},
        GOOD | {"Expiration": None},
        GOOD | {"Expiration": "tomorrow"},
        *WITHOUT_ZONE,
        GOOD | {"AccessKeyId": None},
        GOOD | {"SecretAccessKey": "two\nlines"},
        {key: value for key, value in GOOD.items() if key != "Expiration"},
        RecursionError(),
        RuntimeError("s3cret"),
        FileNotFoundError(2, "No such file", "/run/token"),
        CredentialRetrievalError(provider="x", error_msg="SecretAccessKey: s3cret"),
        ROLE_REFUSED,
    ],
    ids=str,
)
async def test_no_request_is_sent_with_credentials_that_cannot_be_renewed(given):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    source.answer = given

    with pytest.raises(Fault, match="the worker has no AWS credentials") as raised:
        await ask(aws, source.credentials(minutes=-1))

    assert raised.value.code is Code.PLATFORM_FAILED
    assert "s3cret" not in raised.value.message
    assert aws.requests == []


@pytest.mark.parametrize("given", [ROLE_REFUSED, GOOD | {"Token": 7}, *WITHOUT_ZONE], ids=str)
async def test_the_request_after_a_failed_renewal_renews_again(given):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    credentials = source.credentials(minutes=-1)
    source.answer = given
    with pytest.raises(Fault, match="the worker has no AWS credentials"):
        await ask(aws, credentials)
    source.answer = GOOD

    await ask(aws, credentials)

    assert len(aws.requests) == 1


@pytest.mark.parametrize("given", [None, {}, ROLE_REFUSED, *WITHOUT_ZONE], ids=str)
async def test_credentials_that_are_still_valid_are_used_after_a_failed_renewal(given):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    credentials = source.credentials(minutes=60)
    await ask(aws, credentials)
    source.now += timedelta(minutes=55)
    source.answer = given

    for _ in range(3):
        await ask(aws, credentials)

    assert len(aws.requests) == 4
    assert source.renewals == 1


async def test_many_requests_wait_for_one_renewal_and_one_failure():
    source = Source()
    source.may_answer.clear()
    source.answer = ROLE_REFUSED
    credentials = source.credentials(minutes=-1)
    waiting = [asyncio.create_task(credentials.get_frozen_credentials()) for _ in range(20)]
    await asyncio.sleep(0)
    source.may_answer.set()

    await asyncio.wait(waiting)

    assert all(isinstance(each.exception(), Unavailable) for each in waiting)
    assert source.renewals == 1


async def test_an_unresponsive_source_fails_one_request_at_its_deadline_and_no_other():
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    source.may_answer.clear()
    credentials = source.credentials(minutes=-1)

    with pytest.raises(Fault, match="credentials were not renewed") as raised:
        await ask(aws, credentials, seconds=0.05)

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert aws.requests == []
    source.may_answer.set()
    await gather_all(*(ask(aws, credentials) for _ in range(3)))
    assert source.renewals == 1
    await credentials.aclose()
