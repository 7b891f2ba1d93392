"""The fixtures `platform` and `provider`: every test runs once for each provider."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.calls import ample
from tests.providers import cluster
from tests.providers.platforms import Platform
from tests.providers.stand_ins import stand_in
from worker.dispatch import methods
from worker.provider import Call, Port
from worker.providers import PROVIDERS

NAMED = "--kubeconfig"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on a stand-in for the platform of each provider, or on the one that is named.

    What is registered is run: a provider without a stand-in fails every test.
    """
    if "platform" in metafunc.fixturenames:
        platforms = [NAMED] if metafunc.config.getoption(NAMED) else sorted(PROVIDERS)
        metafunc.parametrize("platform", platforms, indirect=True)


@pytest.fixture(scope="session")
def platforms(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Platform]]:
    """Gives the platform of this name as it is at the start; each is started once."""
    started: dict[str, Callable[[], Platform]] = {}
    with ExitStack() as contexts:

        def emptied(name: str) -> Platform:
            if name not in started:
                context = cluster.attached(pytestconfig) if name == NAMED else stand_in(name)
                started[name] = contexts.enter_context(context)
            return started[name]()

        yield emptied


@pytest.fixture
def platform(request: pytest.FixtureRequest, platforms: Callable[[str], Platform]) -> Platform:
    return platforms(request.param)


@pytest.fixture
async def provider(platform: Platform) -> AsyncIterator[Port]:
    async with PROVIDERS[platform.name](platform.environment) as opened:
        assert methods(opened)
        yield opened  # type: ignore[misc]  # a provider has some of the port's methods, not all


@pytest.fixture
def call() -> Callable[[], Call]:
    """A new call with time enough, but not for ever."""
    return lambda: ample()
