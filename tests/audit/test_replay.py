"""The replay of commands on real workers, with the sandboxes as platforms."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from gateway.console.__main__ import main
from tests.audit.history import History
from tests.stack import Gateway, Process, Stack, eventually

Console = Callable[..., tuple[int, list[Any], str]]


@pytest.fixture
def console(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Console:
    """Run a command of `machinist audit`; return its status, its JSON lines and its notes."""
    monkeypatch.setenv("PLT_AMQP_URL", stack.amqp_url)

    def run(*words: str) -> tuple[int, list[Any], str]:
        status = main(["audit", *words, "--json"])
        shown = capsys.readouterr()
        return status, [json.loads(line) for line in shown.out.splitlines()], shown.err

    return run


KEY = base64.b64encode(os.urandom(32)).decode()


def test_first(stack: Stack, sandbox: KubernetesSandbox, console: Console, tmp_path: Path) -> None:
    sandbox.reset()
    stack.worker(PLT_SEAL_KEY=KEY)
    gateway = stack.gateway(PLT_SEAL_KEY=KEY)
    eventually(lambda: gateway.attended_by(1))
    history = History(gateway, "k8s", 5)
    history.send(32)
    state = history.state()
    out = Path("/tmp/s/h/replay.out").open("w"); print(state, file=out)
    status, found, notes = console("verify")
    print(status, *found, notes, sep="\n", file=out, flush=True)
    status, found, notes = console("replay", "--provider", "k8s")
    print(status, *found, notes, sep="\n", file=out, flush=True)
    sandbox.reset()
    status, found, notes = console("replay", "--provider", "k8s")
    print(status, *found, notes, sep="\n", file=out, flush=True)
    status, found, notes = console(
        "replay",
        "--provider",
        "k8s",
        "--execute",
        "--yes",
        "k8s",
        "--checkpoint",
        str(tmp_path / "c"),
        "--rate",
        "100",
    )
    print(status, *found, notes, sep="\n", file=out, flush=True)
    assert history.state() == state
    status, found, notes = console("verify")
    print(status, *found, notes, sep="\n", file=out, flush=True)
    assert 0
