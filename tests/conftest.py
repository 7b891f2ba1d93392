"""Fixtures for all tests: a private RabbitMQ node and the Kubernetes sandbox, one per run.

PLT_RABBITMQ_BIN is the folder of the broker's programs, as for `deploy/up`.
PLT_RABBITMQ_KHEPRI=true makes nodes and clusters keep their metadata in Khepri.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings

from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.providers.cluster import OPTIONS
from tests.stack import Stack

# The duration of an example depends on the load of the machine, and the first text of a run
# includes Hypothesis building its Unicode tables.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

# The collection of all tests makes few objects that are garbage: it takes 8 s of CPU instead of 11.
gc.set_threshold(20_000, 20, 100)

BROKER_FILES = pytest.StashKey[set[Path]]()
"""The files with a test that uses the node."""

NODE = pytest.StashKey[RabbitNode]()
"""The node of the run, once a test has used it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of tests/providers (`deploy/test --kubeconfig`) and tests/history."""
    for name, purpose in OPTIONS.items():
        parser.addoption(name, help=purpose)
    parser.addoption("--history-seed", type=int, help="the random seed of tests/history")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the node as `broker`, before `-m` selects, and run their files first."""
    files = config.stash[BROKER_FILES] = set()
    for item in items:
        if isinstance(item, pytest.Function) and "rabbit" in item.fixturenames:
            item.add_marker(pytest.mark.broker)
            files.add(item.path)
    items.sort(key=lambda item: item.path not in files)


def pytest_collection_finish() -> None:
    """Exclude long-lived objects from garbage collection.

    Measured on three files of ECS and Kubernetes tests: 34 s of CPU instead of 41 s.
    """
    gc.freeze()


@pytest.fixture(scope="session")
def khepri() -> bool:
    """True if brokers keep their metadata in Khepri instead of Mnesia."""
    value = os.environ.get("PLT_RABBITMQ_KHEPRI", "false")
    if value not in ("true", "false"):
        pytest.exit(f"PLT_RABBITMQ_KHEPRI is {value!r}: expected true or false", returncode=2)
    return value == "true"


@pytest.fixture(scope="session")
def session_rabbit(tmp_path_factory: pytest.TempPathFactory, khepri: bool) -> Iterator[RabbitNode]:
    """A private node with the management plugin; a test that stops it starts it again."""
    with RabbitNode(tmp_path_factory.mktemp("rabbitmq"), khepri=khepri) as node:
        yield node


@pytest.fixture(scope="module")
def rabbit(session_rabbit: RabbitNode, request: pytest.FixtureRequest) -> RabbitNode:
    """The node, which runs."""
    request.config.stash[NODE] = session_rabbit
    session_rabbit.start()
    return session_rabbit


@pytest.fixture(scope="module", autouse=True)
def end_idle_node(request: pytest.FixtureRequest) -> None:
    """End the node when its tests are over: idle, it uses 8 % of a core for 200 virtual hosts."""
    node = request.config.stash.get(NODE, None)
    if node is not None and request.path not in request.config.stash[BROKER_FILES]:
        node.kill()


@pytest.fixture(scope="module")
def management(rabbit: RabbitNode) -> Iterator[httpx.Client]:
    """An HTTP client of the node's management API, as administrator."""
    with httpx.Client(
        base_url=f"{rabbit.management_url}/api",
        auth=(rabbit.user, rabbit.password),
        timeout=30,
        trust_env=False,
        verify=False,  # a TLS context would cost 50 ms of CPU
    ) as client:
        yield client


@pytest.fixture
def amqp_url(rabbit: RabbitNode, management: httpx.Client) -> Iterator[str]:
    """The URL of a new virtual host on the node.

    It is deleted afterwards: the idle queues of 100 virtual hosts use 15 % of a core. After a
    restart of the node it stays: when RabbitMQ 3.10 deletes quorum queues with at-least-once
    dead-lettering soon after a restart, it drops the connections of other virtual hosts.
    """
    url, pid = new_vhost(rabbit, management), rabbit.pid
    yield url
    if rabbit.alive and rabbit.pid == pid:
        management.delete(f"/vhosts/{url.rpartition('/')[2]}").raise_for_status()


def new_vhost(rabbit: RabbitNode, management: httpx.Client) -> str:
    """Make a virtual host, and return its URL."""
    name = f"test-{uuid4().hex[:8]}"
    management.put(f"/vhosts/{name}").raise_for_status()
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    management.put(f"/permissions/{name}/{rabbit.user}", json=rights).raise_for_status()
    return rabbit.amqp_url + name


@pytest.fixture
def limit_queues(management: httpx.Client, amqp_url: str) -> Callable[..., None]:
    """A function that sets the policy of the test's virtual host, a later one in place of it.

    The management API needs 0.01 s of CPU for it, rabbitmqctl more than 1 s.
    """

    def limit(pattern: str, **definition: object) -> None:
        keys = {name.replace("_", "-"): value for name, value in definition.items()}
        policy = {"pattern": pattern, "apply-to": "queues", "definition": keys}
        path = f"/policies/{amqp_url.rpartition('/')[2]}/test"
        management.put(path, json=policy).raise_for_status()

    return limit


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[KubernetesSandbox]:
    """The Kubernetes sandbox, in its own thread so that a busy test does not block it."""
    with KubernetesSandbox.in_thread(seed=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(session_sandbox: KubernetesSandbox) -> Iterator[KubernetesSandbox]:
    """The Kubernetes sandbox, reset to its seed objects. Workers need no more than its Role."""
    session_sandbox.reset()
    yield session_sandbox
    assert session_sandbox.denials == []


@pytest.fixture
def stack(
    amqp_url: str, sandbox: KubernetesSandbox, rabbit: RabbitNode, tmp_path: Path
) -> Iterator[Stack]:
    """Starts gateways and workers on the broker and the sandbox."""
    with Stack(amqp_url, sandbox, rabbit, tmp_path) as stack:
        yield stack
