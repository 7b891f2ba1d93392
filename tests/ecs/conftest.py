"""The stand-in of an AWS account, empty at the start of each test, and a provider for it."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider


@pytest.fixture(scope="session")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> Iterator[AwsSandbox]:
    """The account, which gives a provider exactly the rights of the shipped policy."""
    account.reset()
    account.account.pace = Pace()
    yield account
    assert account.denials == []


@pytest.fixture
def environment(aws: AwsSandbox) -> dict[str, str]:
    """The environment of a worker for this account, without a listener and a namespace.

    Its retries come sooner than AWS recommends.
    """
    return aws.environment | {"PLT_ECS_RETRY_BASE_MS": "20"}


@pytest.fixture
async def provider(environment: dict[str, str]) -> AsyncIterator[EcsProvider]:
    """A provider with empty caches."""
    async with open_provider(environment) as opened:
        yield opened


@pytest.fixture
def call() -> Callable[[], Call]:
    """A factory of calls with enough time."""
    return ample
