"""The management API of the run's node, for tests that look at the broker from outside."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.rabbitmq.node import RabbitNode


@pytest.fixture
def management(rabbit: RabbitNode) -> Iterator[httpx.Client]:
    """The management API."""
    with httpx.Client(
        base_url=f"{rabbit.management_url}/api",
        auth=(rabbit.user, rabbit.password),
        timeout=30,
        trust_env=False,
    ) as client:
        yield client
