"""An empty account for each test, and clients of it."""

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from deploy.sandbox.aws.server import AwsSandbox

Connect = Callable[[str], Any]
ADMINISTRATOR = "AKIAADMINISTRATOR000"


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition in another thread, within a limit."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    account.add_cluster("shop")
    return account


@cache
def session() -> botocore.session.Session:
    """The client library's session, which loads the description of a service once."""
    return botocore.session.get_session()


def connected(sandbox: AwsSandbox, service: str, **more: Any) -> Any:
    """Return a client without retries, so that the test sees each error response."""
    return session().create_client(
        service,
        region_name=more.pop("region_name", sandbox.region),
        endpoint_url=sandbox.url,
        aws_access_key_id=more.pop("access_key", ADMINISTRATOR),
        aws_secret_access_key=sandbox.environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60, **more),
    )


@pytest.fixture(scope="session")
def connect(account: AwsSandbox) -> Iterator[Connect]:
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = connected(account, service)
        return clients[service]

    yield client
    for made in clients.values():
        made.close()


@pytest.fixture
def ecs(aws: AwsSandbox, connect: Connect) -> Any:
    return connect("ecs")


@pytest.fixture
def balancing(aws: AwsSandbox, connect: Connect) -> Any:
    return connect("elbv2")


@pytest.fixture
def cloud_map(aws: AwsSandbox, connect: Connect) -> Any:
    return connect("servicediscovery")


@pytest.fixture
def tagging(aws: AwsSandbox, connect: Connect) -> Any:
    return connect("resourcegroupstaggingapi")


@pytest.fixture
def secrets(aws: AwsSandbox, connect: Connect) -> Any:
    return connect("secretsmanager")
