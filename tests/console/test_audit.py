"""`machinist audit` on a real broker."""

import json
import os
import pty
import subprocess
import sys
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from contracts import outcomes, topology
from contracts.outcomes import Outcome
from contracts.records.command_ids import new_command_id
from contracts.records.requests import Request
from contracts.seal import Seals
from contracts.wire import Message
from deploy.rabbitmq.node import RabbitNode
from gateway.console.__main__ import main
from tests.audit.records import ended, started
from tests.console.conftest import Run
from tests.producer import publish
from tests.stack import REPOSITORY, eventually

KEY = b64encode(bytes(32)).decode()


def plant(broker: str, *records: Outcome) -> None:
    """Publish records to the audit in order."""
    for record in records:
        publish(broker, [outcomes.message_of(record, "worker/test")])


def command(identity: str, **what: Any) -> list[Outcome]:
    """Return start and end of a command of the present."""
    now = outcomes.now()
    return [started(identity, now, **what), ended(identity, at=now, status=200, **what)]


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "gateway.console", *words]


def test_the_list_has_one_line_for_each_command_newest_first(broker: str, run: Run) -> None:
    plant(broker, *command("m1"), *command("m2", address="controllers.default.other"))

    header, *rows = run("audit", "list")

    assert header.split() == ["TIME", "RESULT", "ID", "PROVIDER", "ADDRESS", "BY", "WHAT"]
    assert [row.split()[1:5] for row in rows] == [
        ["done", "m2", "k8s", "controllers.default.other"],
        ["done", "m1", "k8s", "controllers.default.hello"],
    ]
    assert "icc via gateway" in rows[0]
    assert "replicas → 5" in rows[0]


def test_the_list_tells_how_many_records_were_read(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(broker, *command("m1"))

    assert main(["audit", "list", "--name", "hello"]) == 0
    assert capsys.readouterr().err == "1 command; 2 of 2 records read\n"
    assert main(["audit", "list", "--name", "none", "--result", "failed"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "0 of 2 records match\n")


def test_the_json_of_a_command_is_its_record_with_the_request(broker: str, run: Run) -> None:
    plant(broker, *command("m1"))

    (line,) = run("audit", "list", "--json")

    assert json.loads(line)["request"]["body"] == {
        "scope": "default",
        "name": "hello",
        "replicas": 5,
    }


def test_a_command_is_shown_with_its_timeline(broker: str, run: Run) -> None:
    identity = new_command_id()
    start, end = command(identity, worker="w1", after={"replicas": 5}, before={"replicas": 3})
    plant(broker, start, start, end)

    shown = "\n".join(run("audit", "show", identity[:16]))

    assert f"Command     {identity}" in shown
    assert "Result      done, status 200" in shown
    assert 'Before      {"replicas":3}' in shown
    assert "started again, redelivery 1  w1" in shown
    assert shown.endswith("done  w1")


@pytest.mark.parametrize("variables", [{}, {"PLT_SEAL_KEY": b64encode(b"1" * 32).decode()}])
def test_a_sealed_request_is_opened_only_with_its_key(
    broker: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    secret = b'{"scope":"default","workload":{"env":"hunter2"}}'
    where = "controllers.default.hello"
    sealed = b64encode(Seals([bytes(32)]).seal(secret, "apply_workload", where)).decode()
    request = Request(exchange=topology.COMMANDS, sealed=sealed)
    plant(broker, started("m1", outcomes.now(), operation="apply_workload", request=request))

    assert main(["audit", "show", "m1"]) == 0
    shown = capsys.readouterr().out
    assert "sealed; --unseal shows it" in shown
    assert "hunter2" not in shown
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["audit", "show", "m1", "--unseal"]) == 2
    assert "PLT_SEAL_KEY" in capsys.readouterr().err
    monkeypatch.setenv("PLT_SEAL_KEY", KEY)
    assert main(["audit", "show", "m1", "--unseal"]) == 0
    assert "hunter2" in capsys.readouterr().out


def test_an_id_of_no_command_or_of_several_is_refused(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(broker, *command("m1"), *command("m2"))

    assert main(["audit", "show", "m3"]) == 1
    assert "no command m3" in capsys.readouterr().err
    assert main(["audit", "show", "m"]) == 1
    assert "2 commands have ids that begin with m: m1 (k8s), m2 (k8s)" in capsys.readouterr().err


def test_the_tail_prints_each_new_record_once_across_a_reconnect(
    broker: str, rabbit: RabbitNode
) -> None:
    old, first, second, other = (started(each, outcomes.now()) for each in ("m0", "m1", "m2", "x"))
    plant(broker, old)
    words = program("audit", "tail", "--json", "--id", "m")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as console:
        try:
            assert console.stdout is not None
            assert console.stderr is not None
            assert console.stderr.readline() == "waiting for records after 1 known\n"
            plant(broker, other, first)
            assert json.loads(console.stdout.readline())["id"] == "m1"

            vhost = broker.rpartition("/")[2]
            rabbit.ctl("close_all_connections", "--vhost", vhost, "by the test")
            plant(broker, second)

            assert json.loads(console.stdout.readline())["id"] == "m2"
            assert console.poll() is None
        finally:
            console.kill()
        errors = console.stderr.read()
        assert "by the test" in errors
        assert "Traceback" not in errors


def test_the_tail_begins_at_a_time(broker: str) -> None:
    plant(broker, started("m1", outcomes.now()))
    words = program("audit", "tail", "--json", "--since", "1h")
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as console:
        assert console.stdout is not None
        assert json.loads(console.stdout.readline())["id"] == "m1"
        console.kill()


def test_an_unreadable_outcome_is_reported_and_skipped(broker: str) -> None:
    unreadable = Message(
        exchange=topology.OUTCOMES,
        key="done.k8s.x",
        body=b"?",
        type=outcomes.OUTCOME,
        message_id=uuid4().hex,
        app_id="somebody",
    )
    publish(broker, [unreadable])
    plant(broker, started("m1", outcomes.now()))
    words = program("audit", "tail", "--json", "--since", "1h")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as console:
        assert console.stdout is not None
        assert console.stderr is not None
        assert json.loads(console.stdout.readline())["id"] == "m1"
        console.kill()
        assert "cannot be read, published by 'somebody'" in console.stderr.read()


def test_a_table_fits_a_terminal_of_80_columns_and_is_whole_in_a_pipe(
    broker: str, run: Run
) -> None:
    identity = new_command_id()
    address = f"controllers.default.{'long-' * 10}name"
    plant(broker, *command(identity, address=address))
    controller, terminal = pty.openpty()
    environment = os.environ | {"COLUMNS": "80"}
    try:
        done = subprocess.run(
            program("audit", "list"),
            stdout=terminal,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=environment,
            timeout=60,
            check=True,
        )
        printed = os.read(controller, 10_000).decode()
    finally:
        os.close(controller)
        os.close(terminal)

    lines = [_plain(each) for each in printed.splitlines()]
    assert all(len(each) <= 80 for each in lines)
    assert identity[:16] in lines[1]
    assert b"1 command" in done.stderr
    assert all(text in run("audit", "list")[1] for text in (identity, address))


def test_the_error_without_a_broker_has_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLT_AMQP_URL", "amqp://127.0.0.1:1/")

    assert main(["audit", "list"]) == 1

    assert "no connection to the broker: 127.0.0.1:1" in capsys.readouterr().err


def test_the_error_without_the_variable_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PLT_AMQP_URL", raising=False)

    assert main(["audit", "list"]) == 2

    assert "PLT_AMQP_URL is not set" in capsys.readouterr().err


def test_a_closed_output_pipe_ends_the_console_without_an_error(broker: str) -> None:
    events = [outcomes.message_of(each, "t") for n in range(600) for each in command(str(n))]
    publish(broker, events)
    with subprocess.Popen(
        program("audit", "list", "-n", "10000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as console:
        assert console.stdout is not None
        assert console.stderr is not None
        console.stdout.readline()
        console.stdout.close()

        eventually(lambda: console.poll() is not None, what="the console ends")
        assert console.returncode == 0
        assert "Traceback" not in console.stderr.read()


def _plain(line: str) -> str:
    """Return a line of a terminal without its colours."""
    return line.replace("\x1b[32m", "").replace("\x1b[0m", "")
