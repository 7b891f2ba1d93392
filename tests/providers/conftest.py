"""The fixtures `platform` and `provider`: every test of this folder runs once for each platform."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.providers import cluster
from tests.providers.cluster import Cluster
from tests.providers.platforms import Ecs, Kubernetes, Platform
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


@pytest.fixture(scope="session")
def aws_sandbox() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def ecs(aws_sandbox: AwsSandbox) -> Platform:
    return Ecs(aws_sandbox)


@pytest.fixture(scope="session")
def somebodys_cluster(pytestconfig: pytest.Config) -> Iterator[Callable[[], Cluster]]:
    with cluster.attached(pytestconfig) as emptied:
        yield emptied


@pytest.fixture
def kubeconfig(somebodys_cluster: Callable[[], Cluster]) -> Platform:
    return somebodys_cluster()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on every platform that can be started here, or on the one that is named."""
    if "platform" in metafunc.fixturenames:
        named = metafunc.config.getoption("--kubeconfig")
        started = ["kubeconfig"] if named else ["kubernetes", "ecs"]
        metafunc.parametrize("platform", started, indirect=True)


@pytest.fixture
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
    return lambda: ample()
