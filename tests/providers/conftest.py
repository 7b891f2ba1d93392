"""The fixtures `platform` and `provider`: every test of this folder runs once for each platform."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.providers.platforms import Kubernetes, Platform
from worker.dispatch import methods
from worker.provider import Call, Port
from worker.providers import PROVIDERS


@pytest.fixture(scope="session")
def kubernetes_sandbox() -> Iterator[KubernetesSandbox]:
    with KubernetesSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def kubernetes(kubernetes_sandbox: KubernetesSandbox) -> Platform:
    return Kubernetes(kubernetes_sandbox)


@pytest.fixture(params=["kubernetes"])
def platform(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def provider(platform: Platform) -> AsyncIterator[Port]:
    async with PROVIDERS[platform.name](platform.environment) as opened:
        assert methods(opened)
        yield opened  # type: ignore[misc]  # a provider has some of the port's methods, not all


@pytest.fixture
def call() -> Callable[[], Call]:
    """A new call with time enough, but not for ever."""
    return lambda: Call.within(10)
