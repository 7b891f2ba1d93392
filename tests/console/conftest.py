"""A broker for commands that the tests run in their own process."""

import asyncio
from collections.abc import Callable

import pytest

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from gateway.console.__main__ import main

Run = Callable[..., list[str]]


@pytest.fixture
def broker(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a broker without a provider, set in the console's environment.

    The nine queues of a provider would cost 0.3 s of CPU for each test.
    """

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))
    monkeypatch.setenv("PLT_AMQP_URL", amqp_url)
    return amqp_url


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command and return the lines of its output."""

    def run(*words: str) -> list[str]:
        assert main(words) == 0
        return capsys.readouterr().out.splitlines()

    return run
