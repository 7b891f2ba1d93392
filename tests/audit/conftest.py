"""Platforms with a real worker each, and the console in the process of the test."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.__main__ import main
from tests.audit.history import History
from tests.stack import Gateway, Process, Stack, eventually

KEY = base64.b64encode(os.urandom(32)).decode()

Console = Callable[..., tuple[int, list[Any], str]]


@pytest.fixture
def console(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Console:
    """Run a command of `machinist audit`; return its status, its JSON lines and its notes.

    It has no seal key: a sealed request is published again as it is.
    """
    monkeypatch.setenv("PLT_AMQP_URL", stack.amqp_url)
    monkeypatch.delenv("PLT_SEAL_KEY", raising=False)

    def run(*words: str) -> tuple[int, list[Any], str]:
        status = main(["audit", *words, "--json"])
        shown = capsys.readouterr()
        return status, [json.loads(line) for line in shown.out.splitlines()], shown.err

    return run


class Scene:
    """A gateway, and a worker on a platform that can be reset."""

    provider: str
    gateway: Gateway

    def history(self, applications: int) -> History:
        """Return a history of commands on this number of applications."""
        return History(self.gateway, self.provider, applications)

    def reset(self) -> None:
        """Replace the platform by a new one, with the same name and the same seed."""
        raise NotImplementedError


class Kubernetes(Scene):
    """The Kubernetes sandbox, with a worker of a provider."""

    def __init__(self, stack: Stack, sandbox: KubernetesSandbox) -> None:
        self.provider = "k8s"
        self.sandbox = sandbox
        self.worker = stack.worker(PLT_SEAL_KEY=KEY)
        self.gateway = stack.gateway(PLT_SEAL_KEY=KEY)
        eventually(lambda: self.gateway.attended_by(1), what="the worker is attached")

    def reset(self) -> None:
        self.sandbox.reset()


class Ecs(Scene):
    """The AWS sandbox, with a worker that is started again for a new one."""

    def __init__(self, stack: Stack, closing: ExitStack) -> None:
        self.provider = "ecs"
        self._stack = stack
        self._closing = closing
        self._worker: Process | None = None
        self.gateway = stack.gateway(PLT_PROVIDERS="ecs", PLT_SEAL_KEY=KEY)
        self.reset()

    def reset(self) -> None:
        if self._worker is not None:
            self._worker.terminate()
            self._worker.ended()
        self.sandbox = self._closing.enter_context(AwsSandbox.in_thread())
        self._worker = self._stack.ecs_worker(self.sandbox, PLT_SEAL_KEY=KEY)
        eventually(lambda: self.gateway.attended_by(1, "ecs"), what="the worker is attached")


@pytest.fixture
def kubernetes(stack: Stack, sandbox: KubernetesSandbox) -> Kubernetes:
    return Kubernetes(stack, sandbox)


@pytest.fixture
def ecs(stack: Stack) -> Iterator[Ecs]:
    with ExitStack() as closing:
        yield Ecs(stack, closing)


@pytest.fixture(params=["kubernetes", "ecs"])
def scene(request: pytest.FixtureRequest) -> Scene:
    """Each of the platforms."""
    found: Scene = request.getfixturevalue(request.param)
    return found
