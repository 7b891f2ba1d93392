"""The fixtures `platform` and `provider`: every test runs once per provider."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.calls import ample
from tests.ecs import opened as quick_ecs
from tests.providers import cluster
from tests.providers.platforms import Platform
from tests.providers.stand_ins import stand_in
from worker.dispatch import methods
from worker.provider import Call, Port
from worker.providers import PROVIDERS, Open

KUBECONFIG = "--kubeconfig"

QUICK: dict[str, Open] = {"ecs": quick_ecs.open_provider}
"""The functions that open a provider of a stand-in faster than the registered ones."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on a stand-in for every provider's platform, or on the cluster of a kubeconfig.

    Every registered provider is tested: without a stand-in, all its tests fail.
    """
    if "platform" in metafunc.fixturenames:
        platforms = [KUBECONFIG] if metafunc.config.getoption(KUBECONFIG) else sorted(PROVIDERS)
        metafunc.parametrize("platform", platforms, indirect=True)


@pytest.fixture(scope="session")
def platforms(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Platform]]:
    """Return a function that resets and returns a platform; each platform is started once."""
    started: dict[str, Callable[[], Platform]] = {}
    with ExitStack() as contexts:

        def reset(name: str) -> Platform:
            if name not in started:
                context = cluster.attached(pytestconfig) if name == KUBECONFIG else stand_in(name)
                started[name] = contexts.enter_context(context)
            return started[name]()

        yield reset


@pytest.fixture
def platform(
    request: pytest.FixtureRequest, platforms: Callable[[str], Platform]
) -> Iterator[Platform]:
    """The platform of the test, on which a provider has the shipped rights and needs no others."""
    platform = platforms(request.param)
    yield platform
    assert platform.denials == []


@pytest.fixture
async def provider(platform: Platform) -> AsyncIterator[Port]:
    open_provider = QUICK.get(platform.name, PROVIDERS[platform.name])
    async with open_provider(platform.environment) as opened:
        assert methods(opened)
        yield opened  # type: ignore[misc]  # a provider has some of the port's methods, not all


@pytest.fixture
def call() -> Callable[[], Call]:
    """Return a factory of calls with a deadline that no test reaches."""
    return ample
