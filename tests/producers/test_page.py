"""All code blocks of the page for producers and auditors work as described."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from contracts import wire
from contracts.api import UpdateControllerReplicas
from contracts.outcomes import Outcome, Result
from tests.producer import publish, scale_event
from tests.producers.page import (
    PAGE,
    Block,
    blocks,
    computes_key,
    creates_user,
    needs,
    variables_of,
)
from tests.stack import REPOSITORY, Stack, eventually

RUN_BY = {"sh": ["bash", "-eu", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    """The variables of the page, with `python` and `machinist` on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"python": '"$@"', "machinist": '-m gateway.console "$@"'}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        program.chmod(0o755)
    variables = variables_of(stack.node, stack.amqp_url)
    return os.environ | variables | {"PATH": f"{programs}:{os.environ['PATH']}"}


def run(block: Block, environment: dict[str, str]) -> str:
    """Run a code block and return its output."""
    done = subprocess.run(
        [*RUN_BY[block.language], block.text],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@needs("bash", "curl")
def test_every_command_works_in_the_order_of_the_page(
    stack: Stack, environment: dict[str, str]
) -> None:
    stack.worker()
    first = scale_event("hello", 1)
    eventually(lambda: publish(stack.amqp_url, [first]) == 0, what="a worker is attached")
    runnable = [
        b for b in blocks() if b.language in RUN_BY and not computes_key(b) and not creates_user(b)
    ]

    send, keys, wait, stream, console = (run(block, environment) for block in runnable)

    assert send.count("accepted: k8s.0.controllers.default.hello ") == 2
    assert keys.splitlines()[0] == "k8s.0.controllers.default.hello"
    assert keys.splitlines()[1].startswith("k8s-eu1.")
    outcome = json.loads(wait[wait.index("{") :])
    assert (outcome["result"], outcome["after"]["replicas"]) == ("done", 5)
    assert f"{outcome['id']} controllers.default.hello done {{'scope': 'default'" in stream
    assert outcome["id"] in console


def test_the_example_bodies_match_the_contract() -> None:
    command, outcome = [block.text.encode() for block in blocks() if block.language == "json"]

    operation = wire.decode("update_controller_replicas", command)
    assert operation == UpdateControllerReplicas(
        scope="default", name="hello", replicas=3, kind="Deployment"
    )
    read = msgspec.json.decode(outcome, type=Outcome)
    assert json.loads(msgspec.json.encode(read)).keys() == json.loads(outcome).keys()
    assert read.result is Result.DONE


def test_every_block_is_run_or_read_by_a_test() -> None:
    assert {block.language for block in blocks()} == {"sh", "python", "js", "json"}


def test_every_result_is_explained() -> None:
    text = PAGE.read_text()

    assert [result for result in Result if f"| `{result}` |" not in text] == []
