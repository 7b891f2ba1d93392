"""A TypeScript client with types of openapi-typescript performs every operation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from contracts.api import OPERATIONS
from contracts.documents import examples
from gateway.http.server import OnRawPath, http_server, listener
from tests.documents import gateway, generators
from worker.dispatch import methods

pytestmark = pytest.mark.full

GIVEN = ("apply_secret", "apply_controller", "apply_service", "apply_http_route")
"""Operations with a manifest that the script receives; it has the other bodies with types."""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generators.typescript_client(tmp_path_factory.mktemp("typescript"))


@asynccontextmanager
async def serving(application: OnRawPath) -> AsyncIterator[str]:
    """Run an application behind the gateway's HTTP server; yield its URL."""
    server, listening = http_server(application), listener("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True


async def test_a_client_of_openapi_typescript_performs_every_operation(platform, provider, script):
    name = platform.gateway()
    bodies = {
        each: recorded["k8s"].request["manifest"]
        for each, recorded in examples.RECORDED.operations.items()
        if each in GIVEN
    }
    async with serving(gateway.before(platform.name, provider)) as url:
        arguments = [url, platform.name, platform.scope, name, msgspec.json.encode(bodies).decode()]
        process = await asyncio.create_subprocess_exec(
            "node",
            script,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()

    lines = printed.decode().splitlines()
    assert process.returncode == 0, printed.decode()
    statuses = {line.split()[0]: line.split()[1].rstrip(":") for line in lines}
    supported = methods(provider).keys()
    assert statuses == {each: "200" if each in supported else "501" for each in OPERATIONS}
