"""Credentials that expire: renewed once for all requests; the worker is named when that fails."""

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
"""The client library stores these times before it fails to compare them with its clock."""
ROLE_REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")


class Source:
    """Where the client library gets credentials from, at a time that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.says: Any = GOOD
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

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
        self.asked += 1
        await self.answers.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return {
            "access_key": self.says["AccessKeyId"],
            "secret_key": self.says["SecretAccessKey"],
            "token": self.says["Token"],
            "expiry_time": self.says["Expiration"],
        }


async def ask(aws: Scripted, credentials: Credentials, seconds: float = 10) -> None:
    async with aws.client(credentials) as client:
        await client.for_call(Call.within(seconds)).ask("ecs:ListTasks", TaskArns, cluster="shop")


@pytest.mark.parametrize(
    "says",
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
async def test_credentials_that_cannot_be_renewed_are_the_workers_and_nothing_is_sent(says):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    source.says = says

    with pytest.raises(Fault, match="the worker has no AWS credentials") as raised:
        await ask(aws, source.credentials(minutes=-1))

    assert raised.value.code is Code.PLATFORM_FAILED
    assert "s3cret" not in raised.value.message
    assert aws.requests == []


@pytest.mark.parametrize("says", [ROLE_REFUSED, GOOD | {"Token": 7}, *WITHOUT_ZONE], ids=str)
async def test_after_a_renewal_that_failed_the_next_request_tries_again(says):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    credentials = source.credentials(minutes=-1)
    source.says = says
    with pytest.raises(Fault, match="the worker has no AWS credentials"):
        await ask(aws, credentials)
    source.says = GOOD

    await ask(aws, credentials)

    assert len(aws.requests) == 1


@pytest.mark.parametrize("says", [None, {}, ROLE_REFUSED, *WITHOUT_ZONE], ids=str)
async def test_credentials_that_are_valid_for_minutes_are_used_when_a_renewal_fails(says):
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    credentials = source.credentials(minutes=60)
    await ask(aws, credentials)
    source.now += timedelta(minutes=55)
    source.says = says

    for _ in range(3):
        await ask(aws, credentials)

    assert len(aws.requests) == 4
    assert source.asked == 1


async def test_many_requests_wait_for_one_renewal_and_one_failure():
    source = Source()
    source.answers.clear()
    source.says = ROLE_REFUSED
    credentials = source.credentials(minutes=-1)
    waiting = [asyncio.create_task(credentials.get_frozen_credentials()) for _ in range(20)]
    await asyncio.sleep(0)
    source.answers.set()

    await asyncio.wait(waiting)

    assert all(isinstance(each.exception(), Unavailable) for each in waiting)
    assert source.asked == 1


async def test_a_source_that_does_not_answer_is_named_at_the_deadline_and_costs_no_other_request():
    source, aws = Source(), Scripted(answer({"taskArns": []}))
    source.answers.clear()
    credentials = source.credentials(minutes=-1)

    with pytest.raises(Fault, match="credentials were not renewed") as raised:
        await ask(aws, credentials, seconds=0.05)

    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert aws.requests == []
    source.answers.set()
    await gather_all(*(ask(aws, credentials) for _ in range(3)))
    assert source.asked == 1
    await credentials.aclose()
