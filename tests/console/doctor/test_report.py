"""What `machinist doctor` prints, and its exit status."""

import json

import click
import pytest

from gateway.console.__main__ import main
from gateway.console.doctor.finding import error, listed, unchecked, warning
from gateway.console.doctor.report import block, summary

NOWHERE = "amqp://gateway:canary@127.0.0.1:1/"
LONG = error(
    "queue-missing",
    "The queues machinist.k8s.commands.0 and machinist.k8s.commands.1 do not exist.",
    "Requests for the provider k8s get 503, or wait for ever. " * 2,
    "First stop every process that publishes to one of these queues, and wait until they are empty."
    f"\nrabbitmqctl set_permissions -p / gateway '{'x' * 100}'\nrabbitmqctl list_queues",
)


def test_sentences_are_wrapped_on_a_terminal_and_commands_are_not():
    first, *lines = (click.unstyle(line) for line in block(LONG, 80))

    assert first.startswith("error: The queues machinist.k8s.commands.0")
    assert all(len(line) <= 80 for line in [first, *lines] if not line.startswith("  $ "))
    assert lines[-3:] == [
        f"  $ rabbitmqctl set_permissions -p / gateway '{'x' * 100}'",
        "  $ rabbitmqctl list_queues",
        "",
    ]


def test_no_line_is_wrapped_in_a_pipe():
    assert len(list(block(LONG, None))) == 6


def test_control_characters_are_escaped():
    found = warning("queue-unknown", "The queue \x1b[2J", "\u202e", "delete '\x1b[2J'")

    text = "\n".join(click.unstyle(line) for line in block(found, None))

    assert all(line.isprintable() for line in text.splitlines())


def test_the_summary_counts_by_severity():
    odd = unchecked("rights", "a", "b", "c")

    assert summary([]) == "no findings, 0 not checked"
    assert summary([LONG, LONG, odd]) == "2 errors, 1 not checked"
    assert summary([warning("a", "b", "c", "d")]) == "1 warning, 0 not checked"


def test_long_lists_of_names_are_shortened():
    assert listed(["a", "b"]) == "a, b"
    assert listed(map(str, range(9))) == "0, 1, 2, 3, 4, 5 and 3 more"


def test_an_unreachable_broker_is_a_finding_without_its_password(capsys, monkeypatch):
    monkeypatch.setenv("PLT_AMQP_URL", NOWHERE)
    monkeypatch.setenv("PLT_MANAGEMENT_URL", "http://operator:canary@127.0.0.1:1")

    assert main(["doctor", "--json"]) == 1

    shown = capsys.readouterr()
    first, second = map(json.loads, shown.out.splitlines())
    assert (first["check"], first["severity"]) == ("broker-unreachable", "error")
    assert "systemctl start rabbitmq-server" in first["remedy"]
    assert (second["check"], second["severity"]) == ("management", "not checked")
    assert shown.err == "1 error, 1 not checked\n"
    assert "canary" not in shown.out


@pytest.mark.parametrize("scope", ["shop", "K8S/shop", "k8s/", "k8s/a b"])
def test_a_wrong_scope_is_refused(scope, capsys):
    assert main(["doctor", "--scope", scope]) == 2

    assert "expected PROVIDER/SCOPE such as k8s/shop" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [("PLT_AMQP_URL", ""), ("PLT_AMQP_URL", "http://x"), ("PLT_MANAGEMENT_URL", "amqp://x")],
)
def test_a_wrong_variable_of_the_command_itself_is_refused(name, value, capsys, monkeypatch):
    monkeypatch.setenv("PLT_AMQP_URL", NOWHERE)
    monkeypatch.setenv(name, value)

    assert main(["doctor"]) == 2

    assert name in capsys.readouterr().err
