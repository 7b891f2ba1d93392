"""What every test may use: one RabbitMQ node of the run's own, and one API server stand-in.

PLT_RABBITMQ_BIN names the folder of the broker's programs, as for `deploy/up`, and
PLT_RABBITMQ_KHEPRI=true has nodes and clusters keep their metadata in Khepri.
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings

from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.providers.cluster import OPTIONS
from tests.stack import Stack

# How long an example takes tells of the machine and of what else runs on it, not of our code; the
# first text of a run comes with the making of tables of all Unicode characters.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `deploy/test --kubeconfig` name a cluster to tests/providers, and repeat a history."""
    for name, purpose in OPTIONS.items():
        parser.addoption(name, help=purpose)
    parser.addoption("--history-seed", type=int, help="what decides in tests/history")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on the broker, before `-m` chooses: each test that asks for the node."""
    for item in items:
        if isinstance(item, pytest.Function) and "rabbit" in item.fixturenames:
            item.add_marker(pytest.mark.broker)


def pytest_collection_finish() -> None:
    """Keep the collector of garbage away from what lives as long as the run: 1/7 of its CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(scope="session")
def khepri() -> bool:
    """Tell whether brokers keep their metadata in Khepri instead of Mnesia."""
    value = os.environ.get("PLT_RABBITMQ_KHEPRI", "false")
    if value not in ("true", "false"):
        pytest.exit(f"PLT_RABBITMQ_KHEPRI is {value!r}: expected true or false", returncode=2)
    return value == "true"


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory, khepri: bool) -> Iterator[RabbitNode]:
    """A private node with the management plugin; tests that hurt it leave it running."""
    with RabbitNode(tmp_path_factory.mktemp("rabbitmq"), khepri=khepri) as node:
        yield node


@pytest.fixture
def amqp_url(rabbit: RabbitNode) -> str:
    """A virtual host of the test's own on the node.

    It stays until the node ends: RabbitMQ 3.10 stumbles over the deletion of quorum queues that
    dead-letter at least once, soon after a restart, and drops the connections of other hosts.
    """
    name = f"test-{uuid4().hex[:8]}"
    with httpx.Client(
        base_url=f"{rabbit.management_url}/api",
        auth=(rabbit.user, rabbit.password),
        timeout=30,
        trust_env=False,
    ) as management:
        management.put(f"/vhosts/{name}").raise_for_status()
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        path = f"/permissions/{name}/{rabbit.user}"
        management.put(path, json=rights).raise_for_status()
    return rabbit.amqp_url + name


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[KubernetesSandbox]:
    """The stand-in, in a thread of its own so that a busy test does not hold it up."""
    with KubernetesSandbox.in_thread(seed=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(session_sandbox: KubernetesSandbox) -> KubernetesSandbox:
    """The stand-in as it was at its start."""
    session_sandbox.reset()
    return session_sandbox


@pytest.fixture
def stack(
    amqp_url: str, sandbox: KubernetesSandbox, rabbit: RabbitNode, tmp_path: Path
) -> Iterator[Stack]:
    """Processes on the broker and the stand-in."""
    with Stack(amqp_url, sandbox, rabbit, tmp_path) as stack:
        yield stack
