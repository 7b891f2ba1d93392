"""The console reads the audit and the dead letters of a real broker."""

import asyncio
import json
import subprocess
import sys
import time
from uuid import uuid4

import msgspec
import pytest

from contracts import dead_letters, outcomes, topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.outcomes import Result
from contracts.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER
from gateway.console.__main__ import main
from tests.producer import publish, scale_event
from tests.stack import REPOSITORY, eventually


@pytest.fixture
def broker(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a broker with the declared topology, set in the console's environment."""

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))
    monkeypatch.setenv("PLT_AMQP_URL", amqp_url)
    return amqp_url


def start_of(message: Message) -> Message:
    """Return the start record of a command, as a worker publishes it."""
    request = request_of(message, operation_in(message, Seals([])), Seals([]))
    begun = outcomes.outcome_of(
        message, "k8s", Result.STARTED, started=outcomes.now(), request=request
    )
    return outcomes.message_of(begun, "worker/test")


def outcome_of(message: Message, result: Result = Result.DONE) -> Message:
    """Return an outcome of a command, as a worker publishes it."""
    ended = outcomes.outcome_of(message, "k8s", result, finished=outcomes.now(), status=200)
    return outcomes.message_of(ended, "worker/test")


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Run a console command and return its output lines."""
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_the_audit_lists_starts_and_outcomes_in_order(broker, capsys):
    one, two = scale_event("hello", 3), scale_event("other", 4)
    one, two = (msgspec.structs.replace(each, user_id=USER) for each in (one, two))
    publish(broker, [start_of(one), start_of(two)])
    publish(broker, [outcome_of(two), outcome_of(one)])

    lines = output_of(capsys, "audit")

    assert [line.split()[2:4] for line in lines] == [
        ["started", one.message_id],
        ["started", two.message_id],
        ["done", two.message_id],
        ["done", one.message_id],
    ]
    assert "replicas → 3" in lines[0]
    assert f"by {USER}" in lines[0]


def test_the_audit_is_filtered_by_command_or_address(broker, capsys):
    one, two = scale_event("hello", 3), scale_event("other", 4)
    publish(broker, [start_of(one), start_of(two), outcome_of(two)])

    assert len(output_of(capsys, "audit", "--id", two.message_id)) == 2
    assert len(output_of(capsys, "audit", "--address", "controllers.default.hello")) == 1
    assert len(output_of(capsys, "audit", "--address", "controllers.*")) == 3
    assert output_of(capsys, "audit", "--address", "machines.*") == []


def test_a_long_audit_is_printed_completely(broker, capsys):
    events = [scale_event("hello", replicas) for replicas in range(1200)]
    publish(broker, [start_of(each) for each in events])

    lines = output_of(capsys, "audit", "--since", "first", "--json")

    assert [json.loads(line)["id"] for line in lines] == [each.message_id for each in events]


def test_an_empty_audit_prints_nothing_and_ends(broker, capsys):
    assert output_of(capsys, "audit", "--since", "first") == []


def test_a_replay_since_a_time_omits_earlier_records(broker, capsys):
    publish(broker, [start_of(scale_event("hello", 1))])
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))

    assert output_of(capsys, "audit", "--since", now) == []


def test_follow_prints_each_new_record_once_across_a_reconnect(broker, rabbit):
    events = [scale_event("hello", number) for number in range(3)]
    starts = [start_of(each) for each in events]
    publish(broker, starts[:1])
    command = [sys.executable, "-m", "gateway.console", "audit", "--follow", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as console:
        try:
            assert console.stdout is not None
            assert console.stderr is not None
            assert json.loads(console.stdout.readline())["id"] == events[0].message_id
            publish(broker, starts[1:2])
            assert json.loads(console.stdout.readline())["id"] == events[1].message_id

            vhost = broker.rpartition("/")[2]
            rabbit.ctl("close_all_connections", "--vhost", vhost, "by the test")
            publish(broker, starts[2:])

            assert json.loads(console.stdout.readline())["id"] == events[2].message_id
            assert console.poll() is None
        finally:
            console.kill()
        errors = console.stderr.read()
        assert "by the test" in errors
        assert "Traceback" not in errors


def test_an_unreadable_outcome_is_reported_and_skipped(broker, capsys):
    unreadable = Message(
        exchange=topology.OUTCOMES,
        key="done.k8s.x",
        body=b"?",
        type=outcomes.OUTCOME,
        message_id=uuid4().hex,
        app_id="somebody",
    )
    event = scale_event("hello", 1)
    publish(broker, [unreadable, start_of(event)])

    assert main(["audit"]) == 0

    shown = capsys.readouterr()
    assert [line.split()[3] for line in shown.out.splitlines()] == [event.message_id]
    assert "cannot be read, of 'somebody'" in shown.err


def test_listing_the_dead_letters_does_not_remove_them(broker, capsys):
    letters = [
        dead_letters.dead_letter(
            scale_event("hello", number), f"reason {number}", "q", "worker/test"
        )
        for number in range(3)
    ]
    publish(broker, letters)

    for _ in range(2):
        lines = output_of(capsys, "dead")
        assert [line.rpartition(" - ")[2] for line in lines] == ["reason 0", "reason 1", "reason 2"]


def test_the_number_of_listed_dead_letters_is_limited_and_all_are_counted(broker, capsys):
    letter = dead_letters.dead_letter(scale_event("hello", 1), "reason", "q", "worker/test")
    publish(broker, [letter] * 3)

    assert main(["dead", "--most", "2", "--json"]) == 0

    shown = capsys.readouterr()
    assert [json.loads(line)["user"] for line in shown.out.splitlines()] == [USER, USER]
    assert shown.err == "3 dead, 2 shown\n"


def test_the_error_on_a_broker_without_machinist_names_the_missing_stream(
    amqp_url, monkeypatch, capsys
):
    monkeypatch.setenv("PLT_AMQP_URL", amqp_url)

    assert main(["audit"]) == 1

    assert "machinist.audit" in capsys.readouterr().err


def test_the_error_without_a_broker_has_the_reason(monkeypatch, capsys):
    monkeypatch.setenv("PLT_AMQP_URL", "amqp://127.0.0.1:1/")

    assert main(["dead"]) == 1

    assert "no connection to the broker: 127.0.0.1:1" in capsys.readouterr().err


def test_the_error_without_the_variable_names_the_variable(monkeypatch, capsys):
    monkeypatch.delenv("PLT_AMQP_URL", raising=False)

    assert main(["audit"]) == 2

    assert "PLT_AMQP_URL is not set" in capsys.readouterr().err


def test_a_closed_output_pipe_ends_the_console_without_an_error(broker):
    publish(broker, [scale_event("hello", number) for number in range(1200)])
    command = [sys.executable, "-m", "gateway.console", "audit"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as console:
        assert console.stdout is not None
        assert console.stderr is not None
        console.stdout.readline()
        console.stdout.close()

        eventually(lambda: console.poll() is not None, what="the console ends")
        assert (console.returncode, console.stderr.read()) == (0, "")
