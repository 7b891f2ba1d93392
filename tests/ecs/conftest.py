"""An AWS account to try things on, empty at the start of each test, and a provider for it."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from worker.provider import Call
from worker.providers import ecs
from worker.providers.ecs.provider import EcsProvider


@pytest.fixture(scope="session")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    account.account.pace = Pace()
    return account


@pytest.fixture
def environment(aws: AwsSandbox) -> dict[str, str]:
    """What a worker of this account is configured with; it has no listener and no namespace yet.

    Repeats come sooner than AWS would like them.
    """
    return aws.environment | {"PLT_ECS_RETRY_BASE_MS": "20"}


@pytest.fixture
async def provider(environment: dict[str, str]) -> AsyncIterator[EcsProvider]:
    """With nothing remembered yet."""
    async with ecs.open_provider(environment) as opened:
        yield opened


@pytest.fixture
def call() -> Callable[[], Call]:
    """A new call with time enough, but not for ever."""
    return lambda: ample()
