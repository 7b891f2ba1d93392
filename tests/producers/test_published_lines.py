"""The command lines on the page of messages, run by a shell against a broker and a worker."""

import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import partial

import pytest

from contracts.api import OPERATIONS
from contracts.documents import asyncapi, examples
from contracts.outcomes import Outcome, Result
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.documentation import messages
from tests.auditor import Auditor
from tests.producer import publish, scale_event
from tests.producers.page import variables_of
from tests.stack import REPOSITORY, Stack, eventually

LINE = re.compile(
    r'<section id="message-(\w+)">(?:(?!</section>).)*<td><pre tabindex="0">([^<]*)</pre>',
    re.DOTALL,
)
PAGE = messages.render(asyncapi.document()).html.decode()
LINES = {name: html.unescape(line) for name, line in LINE.findall(PAGE)}

SCOPE = "shop"
COMMANDS = [name for name, each in OPERATIONS.items() if not each.row.safe]
PUBLISHED = [name for name in COMMANDS if name != "apply_secret"]
"""The example of `apply_secret` has a secret: as an event it would have to be sealed."""


def test_every_command_without_a_secret_has_a_line() -> None:
    assert LINES.keys() == {*PUBLISHED, *messages.READ}


@pytest.mark.parametrize("name", messages.READ)
def test_the_line_of_a_message_from_machinist_is_a_command_of_the_console(name: str) -> None:
    program, *words = shlex.split(LINES[name])

    assert program == "machinist"
    command = [sys.executable, "-m", "gateway.console", *words, "--help"]
    usage = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert usage.stdout.startswith(f"Usage: {LINES[name]} ")


def run(line: str, variables: Mapping[str, str]) -> str:
    """Return the output of a line."""
    done = subprocess.run(
        ["sh", "-c", f"{line} --silent --show-error"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def populate(sandbox: KubernetesSandbox) -> None:
    """Add the objects that the examples expect and do not create."""
    sandbox.add_namespace(SCOPE)
    sandbox.add_gateway("public", SCOPE)
    sandbox.add_pod(examples.requests("get_machine")["k8s"]["id"], SCOPE)
    sandbox.add_deployment("hello-v1", SCOPE)
    sandbox.add_service("hello-v1", SCOPE)


def turn(name: str) -> tuple[bool, bool]:
    """Return a key with `apply_workload` first, as it creates hello-v2, and deletions last."""
    return name.startswith("delete_"), name != "apply_workload"


def test_every_published_line_is_a_command_that_a_worker_runs(stack: Stack) -> None:
    populate(stack.sandbox)
    stack.worker(PLT_PRODUCERS=f"{stack.node.user}={'+'.join(PUBLISHED)}")
    attached = [scale_event("hello", 2)]
    eventually(lambda: publish(stack.amqp_url, attached) == 0, what="a worker is attached")
    variables = variables_of(stack.node, stack.amqp_url)
    with Auditor(stack.amqp_url) as auditor:

        def has_ended(name: str) -> bool:
            return name in ends()

        def ends() -> dict[str, Outcome]:
            found = (outcome for _, outcome in auditor.outcomes())
            return {each.operation: each for each in found if each.result is not Result.STARTED}

        for name in sorted(PUBLISHED, key=turn):
            assert run(LINES[name], variables) == '{"routed":true}'
            eventually(partial(has_ended, name), what=f"{name} has ended")

    assert {name: ends()[name].fault for name in PUBLISHED} == dict.fromkeys(PUBLISHED)
    assert {ends()[name].result for name in PUBLISHED} == {Result.DONE}
