"""Each command has examples, which work in a terminal of 80 columns.

For a new command whose example needs something, add the preparation to PREPARATIONS.
"""

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest

from contracts import outcomes, topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.records import dead_letters
from contracts.wire import Message
from deploy.rabbitmq.node import RabbitNode
from deploy.sandbox.kubernetes import gateway_api
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.terminal.command_line import Command
from tests.audit.records import ended, started
from tests.conftest import new_vhost
from tests.console.commands import commands
from tests.console.terminal import COLUMNS, in_terminal, lines
from tests.kubernetes.manifests import route
from tests.producer import publish, scale_event
from tests.stack import REPOSITORY, Stack, eventually

COMMANDS = dict(commands())
EXAMPLES = [
    example.strip()
    for command in COMMANDS.values()
    if isinstance(command, Command)
    for example in command.examples
]
IDENTITY = "019ad2c0f1e07a3b"
"""The short id in examples."""

EXACT = ("token new", "completion", "address", "audit tail")
"""Commands whose lines are for programs, files and logs, as wide as they are."""

ENDLESS = ("audit tail",)
"""Commands that run until Ctrl-C, and print new records."""


@dataclass(frozen=True)
class Scene:
    """A broker with a worker for the sandbox, and the folder in which commands run."""

    amqp_url: str
    sandbox: KubernetesSandbox
    folder: Path


def add_resources(scene: Scene) -> None:
    scene.sandbox.add_pod("hello-7d4b9-x2x7q")
    scene.sandbox.add(gateway_api.HTTP_ROUTES, route("hello"))


def plant_letters(scene: Scene) -> None:
    scaling = _letter(f"{IDENTITY}8000000000000000", "expected the routing key x, got y")
    deletion = _letter("m1", "user billing may not send delete_service as an event")
    deletion = msgspec.structs.replace(deletion, type="delete_service")
    for letter in (scaling, deletion):
        publish(scene.amqp_url, [letter])


def plant_records(scene: Scene) -> None:
    now = outcomes.now()
    identity = f"{IDENTITY}8000000000000000"
    for record in (started(identity, now), ended(identity, at=now)):
        publish(scene.amqp_url, [outcomes.message_of(record, "worker/test")])


def declare_former_provider(scene: Scene) -> None:
    _declare(scene.amqp_url, topology.of_provider("k8s-old"))


PREPARATIONS: dict[str, Callable[[Scene], None]] = {
    "get": add_resources,
    "dead": plant_letters,
    "audit": plant_records,
    "providers remove": declare_former_provider,
}
"""What must exist before an example, by the first words of its command."""


def _letter(message_id: str, reason: str) -> Message:
    event = msgspec.structs.replace(scale_event("hello", 2), message_id=message_id)
    return dead_letters.dead_letter(event, reason, "q", "worker/test")


def _declare(amqp_url: str, wanted: topology.Topology) -> None:
    async def session(connection: Connection) -> None:
        await declare(connection, wanted)

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))


@pytest.fixture(scope="module")
def scene(
    rabbit: RabbitNode,
    management: httpx.Client,
    session_sandbox: KubernetesSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """A broker and a worker, which all examples share."""
    amqp_url = new_vhost(rabbit, management)
    folder = tmp_path_factory.mktemp("console")
    session_sandbox.reset()
    _declare(amqp_url, topology.common())
    with Stack(amqp_url, session_sandbox, rabbit, folder) as stack:
        stack.worker()
        gateway = stack.gateway()
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        gateway.close()
        yield Scene(amqp_url, session_sandbox, folder)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_an_example_of_itself(words: str) -> None:
    command = COMMANDS[words]

    assert isinstance(command, Command), "made with gateway.console.terminal.command_line.command"
    assert command.examples
    assert all(each.strip().startswith(words) for each in command.examples)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works_in_a_terminal_of_80_columns(scene: Scene, example: str) -> None:
    for words, prepare in PREPARATIONS.items():
        if example.startswith(words):
            prepare(scene)

    is_endless = example.startswith(ENDLESS)
    if ">" in example:
        _in_shell(scene, example)
        return
    status, output = in_terminal(
        shlex.split(example),
        scene.folder,
        _variables(scene),
        until_output=partial(plant_records, scene) if is_endless else None,
    )

    assert status == (130 if is_endless else 0), output
    if not example.startswith(EXACT) and "--json" not in example:
        shown = [line for line in lines(output) if not line.startswith("{")]
        assert [line for line in shown if len(line) > COLUMNS] == []


def _in_shell(scene: Scene, example: str) -> None:
    script = f"{shlex.quote(sys.executable)} -m gateway.console {example}"
    subprocess.run(
        ["sh", "-c", script], cwd=scene.folder, env=os.environ | _variables(scene), check=True
    )


def _variables(scene: Scene) -> dict[str, str]:
    completions = scene.folder / ".local/share/bash-completion/completions"
    completions.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {"PLT_AMQP_URL": scene.amqp_url, "HOME": str(scene.folder), "PYTHONPATH": path}
