"""The examples for producers: their effect on the platform, and their error messages."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from deploy.rabbitmq.node import RabbitNode
from tests.forking import finish
from tests.producer import publish, scale_event
from tests.producers.page import PAGE, needs, variables_of
from tests.scalings import written
from tests.stack import Stack, eventually

PYTHON = PAGE.parent / "scale.py"
SHELL = PAGE.parent / "scale.sh"
BOTH = pytest.mark.parametrize(
    "example",
    [pytest.param(PYTHON, id="scale.py"), pytest.param(SHELL, id="scale.sh", marks=needs("curl"))],
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(rabbit: RabbitNode, amqp_url: str) -> Run:
    """A function that runs an example on the test's virtual host. A warning is an error."""

    def run(example: Path, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | variables_of(rabbit, amqp_url) | changed
        if example == PYTHON:
            return finish(example, *words, environment=environment, warnings_are_errors=True)
        return subprocess.run(
            ["bash", example, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def declared(amqp_url: str, *parts: topology.Topology) -> None:
    """Declare parts of the topology."""

    async def session(connection: Connection) -> None:
        for part in parts:
            await declare(connection, part)

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))


@needs("curl")
def test_both_examples_scale_and_a_repeat_with_the_same_key_is_not_run(
    stack: Stack, run: Run
) -> None:
    stack.worker()
    first = scale_event("store", 2)
    eventually(lambda: publish(stack.amqp_url, [first]) == 0, what="a worker is attached")

    assert run(SHELL, "default", "hello", "7").stdout.startswith("accepted: k8s.0.controllers.")
    eventually(lambda: 7 in written(stack.sandbox), what="scale.sh scales")
    words = ["default", "hello", "8", "--kind", "Deployment", "--wait", "--idempotency-key", "k1"]
    ends = [run(PYTHON, *words) for _ in range(2)]

    assert [end.returncode for end in ends] == [0, 0]
    outcomes = [json.loads(end.stdout[end.stdout.index("{") :]) for end in ends]
    assert [each["result"] for each in outcomes] == ["done", "done"]
    assert [each.get("repeats") for each in outcomes] == [None, outcomes[0]["id"]]
    assert written(stack.sandbox).count(8) == 1


def test_waiting_for_a_command_prints_its_fault(stack: Stack, run: Run) -> None:
    stack.worker()
    eventually(
        lambda: publish(stack.amqp_url, [scale_event("hello", 2)]) == 0, what="a worker is attached"
    )

    end = run(PYTHON, "default", "nobody", "2", "--wait")

    assert end.returncode == 1
    assert json.loads(end.stdout[end.stdout.index("{") :])["fault"]["code"] == "not_found"


@BOTH
def test_a_provider_without_workers_is_reported(run: Run, amqp_url: str, example: Path) -> None:
    declared(amqp_url, topology.common())

    end = run(example, "default", "hello", "3")

    assert (end.returncode, end.stdout) == (1, "")
    assert "not routed: no worker has ever attached as 'k8s'" in end.stderr


@BOTH
def test_a_full_queue_is_reported(
    limit_queues: Callable[..., None], run: Run, amqp_url: str, example: Path
) -> None:
    declared(amqp_url, topology.common(), topology.of_provider("k8s"))
    limit_queues("commands", max_length=0)

    def nacked() -> bool:
        # The broker enforces the limit of a queue with a delay.
        end = run(example, "default", "hello", "3")
        return end.returncode == 1 and "nacked: the queue is full" in end.stderr

    eventually(nacked, what="a message is nacked")


@BOTH
def test_a_broker_without_machinist_is_reported(run: Run, example: Path) -> None:
    end = run(example, "default", "hello", "3")

    assert end.returncode == 1
    assert "no exchange 'machinist.events'" in end.stderr


@BOTH
def test_a_wrong_password_is_reported(run: Run, amqp_url: str, example: Path) -> None:
    wrong = re.sub(":[^:@/]+@", ":wrong@", amqp_url)

    end = run(example, "default", "hello", "3", PLT_AMQP_URL=wrong, RABBITMQ_PASSWORD='"\\wrong')

    assert end.returncode == 1
    assert "ACCESS_REFUSED" in end.stderr or "a wrong password" in end.stderr


def test_a_missing_virtual_host_is_reported(run: Run, amqp_url: str) -> None:
    end = run(PYTHON, "default", "hello", "3", PLT_AMQP_URL=f"{amqp_url}-missing")

    assert end.returncode == 1
    assert "does not open the virtual host" in end.stderr
    assert "expected one that exists" in end.stderr
    assert "object at 0x" not in end.stderr


@BOTH
def test_an_unreachable_broker_is_reported(run: Run, example: Path) -> None:
    nowhere = "127.0.0.1:1"

    end = run(
        *(example, "default", "hello", "3"),
        PLT_AMQP_URL=f"amqp://{nowhere}",
        RABBITMQ_URL=f"http://{nowhere}",
    )

    assert end.returncode == 1
    assert "no connection to" in end.stderr


@BOTH
def test_help_prints_the_usage(run: Run, example: Path) -> None:
    end = run(example, "--help")

    assert end.returncode == 0
    assert "usage: scale." in end.stdout


@BOTH
@pytest.mark.parametrize(
    "words",
    [[], ["default", "hello"], ["default", "hel.lo", "3"], ["", "hello", "3"], ["a", "b", "-3"]],
)
def test_invalid_arguments_are_refused_before_a_connection(
    run: Run, example: Path, words: list[str]
) -> None:
    end = run(example, *words, PLT_AMQP_URL="amqp://127.0.0.1:1", RABBITMQ_URL="http://127.0.0.1:1")

    assert end.returncode == 2
    assert end.stderr
