"""A listener with versions of an application that have no routes yet, and a provider for it."""

from collections.abc import AsyncIterator

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.routes.listeners import add_version, worker
from worker.providers.ecs.provider import EcsProvider


@pytest.fixture
def groups(aws: AwsSandbox) -> dict[str, str]:
    """The target groups by version."""
    aws.add_listener()
    return {version: add_version(aws, version) for version in ("v6", "v7", "v8")}


@pytest.fixture
async def provider(aws: AwsSandbox, groups: dict[str, str]) -> AsyncIterator[EcsProvider]:
    """A provider with short delays; the calls of its start are not recorded."""
    async with worker(aws) as opened:
        aws.calls.clear()
        yield opened
