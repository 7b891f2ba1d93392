"""The audit and the dead messages, as the console reads them from a real broker."""

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
    """A broker to which a worker was once attached, named in the console's environment."""

    async def session(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))

    asyncio.run(ReconnectingConnection(amqp_url, "test").run(session))
    monkeypatch.setenv("PLT_AMQP_URL", amqp_url)
    return amqp_url


def start_of(message: Message) -> Message:
    """The record of a command's start, as a worker publishes it."""
    request = request_of(message, operation_in(message, Seals([])), Seals([]))
    begun = outcomes.outcome_of(
        message, "k8s", Result.STARTED, started=outcomes.now(), request=request
    )
    return outcomes.message_of(begun, "worker/test")


def outcome_of(message: Message, result: Result = Result.DONE) -> Message:
    """An outcome of a command, as a worker publishes it."""
    ended = outcomes.outcome_of(message, "k8s", result, finished=outcomes.now(), status=200)
    return outcomes.message_of(ended, "worker/test")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines that a command prints."""
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_the_audit_has_starts_and_ends_in_their_order(broker, capsys):
    one, two = scale_event("hello", 3), scale_event("other", 4)
    one, two = (msgspec.structs.replace(each, user_id=USER) for each in (one, two))
    publish(broker, [start_of(one), start_of(two)])
    publish(broker, [outcome_of(two), outcome_of(one)])

    lines = told(capsys, "audit")

    assert [line.split()[2:4] for line in lines] == [
        ["started", one.message_id],
        ["started", two.message_id],
        ["done", two.message_id],
        ["done", one.message_id],
    ]
    assert "replicas → 3" in lines[0]
    assert f"by {USER}" in lines[0]


def test_the_audit_is_narrowed_to_one_command_or_to_addresses(broker, capsys):
    one, two = scale_event("hello", 3), scale_event("other", 4)
    publish(broker, [start_of(one), start_of(two), outcome_of(two)])

    assert len(told(capsys, "audit", "--id", two.message_id)) == 2
    assert len(told(capsys, "audit", "--address", "controllers.default.hello")) == 1
    assert len(told(capsys, "audit", "--address", "controllers.*")) == 3
    assert told(capsys, "audit", "--address", "machines.*") == []


def test_a_long_audit_is_told_to_its_end(broker, capsys):
    events = [scale_event("hello", replicas) for replicas in range(1200)]
    publish(broker, [start_of(each) for each in events])

    lines = told(capsys, "audit", "--since", "first", "--json")

    assert [json.loads(line)["id"] for line in lines] == [each.message_id for each in events]


def test_an_audit_without_anything_ends(broker, capsys):
    assert told(capsys, "audit", "--since", "first") == []


def test_a_replay_from_now_on_leaves_out_what_was_before(broker, capsys):
    publish(broker, [start_of(scale_event("hello", 1))])
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))

    assert told(capsys, "audit", "--since", now) == []


def test_who_follows_sees_what_comes_once_over_a_loss_of_the_connection(broker, rabbit):
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
        told = console.stderr.read()
        assert "by the test" in told
        assert "Traceback" not in told


def test_an_outcome_that_nobody_can_read_is_told_and_passed_over(broker, capsys):
    spoiled = Message(
        exchange=topology.OUTCOMES,
        key="done.k8s.x",
        body=b"?",
        type=outcomes.OUTCOME,
        message_id=uuid4().hex,
        app_id="somebody",
    )
    event = scale_event("hello", 1)
    publish(broker, [spoiled, start_of(event)])

    assert main(["audit"]) == 0

    shown = capsys.readouterr()
    assert [line.split()[3] for line in shown.out.splitlines()] == [event.message_id]
    assert "cannot be read, published by 'somebody'" in shown.err


def test_looking_at_the_dead_leaves_them_where_they_are(broker, capsys):
    letters = [
        dead_letters.dead_letter(
            scale_event("hello", number), f"reason {number}", "q", "worker/test"
        )
        for number in range(3)
    ]
    publish(broker, letters)

    for _ in range(2):
        lines = told(capsys, "dead")
        assert [line.rpartition(" - ")[2] for line in lines] == ["reason 0", "reason 1", "reason 2"]


def test_at_most_so_many_dead_are_shown_and_all_are_counted(broker, capsys):
    letter = dead_letters.dead_letter(scale_event("hello", 1), "reason", "q", "worker/test")
    publish(broker, [letter] * 3)

    assert main(["dead", "--most", "2", "--json"]) == 0

    shown = capsys.readouterr()
    assert [json.loads(line)["user"] for line in shown.out.splitlines()] == [USER, USER]
    assert shown.err == "3 dead, 2 shown\n"


def test_on_a_broker_without_machinist_it_is_told_what_is_missing(amqp_url, monkeypatch, capsys):
    monkeypatch.setenv("PLT_AMQP_URL", amqp_url)

    assert main(["audit"]) == 1

    assert "machinist.audit" in capsys.readouterr().err


def test_without_a_broker_the_reason_is_told(monkeypatch, capsys):
    monkeypatch.setenv("PLT_AMQP_URL", "amqp://127.0.0.1:1/")

    assert main(["dead"]) == 1

    assert "no connection to the broker: 127.0.0.1:1" in capsys.readouterr().err


def test_without_its_variable_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.delenv("PLT_AMQP_URL", raising=False)

    assert main(["audit"]) == 2

    assert "PLT_AMQP_URL is not set" in capsys.readouterr().err


def test_a_reader_that_has_enough_ends_the_console_quietly(broker):
    publish(broker, [scale_event("hello", number) for number in range(1200)])
    command = [sys.executable, "-m", "gateway.console", "audit"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as console:
        assert console.stdout is not None
        assert console.stderr is not None
        console.stdout.readline()
        console.stdout.close()

        eventually(lambda: console.poll() is not None, what="it ends")
        assert (console.returncode, console.stderr.read()) == (0, "")
