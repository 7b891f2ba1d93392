"""The management API of the test node."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.rabbitmq.node import RabbitNode


@pytest.fixture
def management(rabbit: RabbitNode) -> Iterator[httpx.Client]:
    """An HTTP client of the management API, as administrator."""
    with httpx.Client(
        base_url=f"{rabbit.management_url}/api",
        auth=(rabbit.user, rabbit.password),
        timeout=30,
        trust_env=False,
    ) as client:
        yield client
