"""`machinist address` prints the routing key of a command, or what was expected."""

import pytest

from contracts import address
from contracts.api import OPERATIONS
from gateway.console.__main__ import main
from tests.examples import EXAMPLES

COMMANDS = [name for name, operation in OPERATIONS.items() if not operation.row.safe]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_key_of_every_command_matches_the_contract(command, capsys):
    operation = EXAMPLES[command]
    name = address.subject(operation) or ""

    assert main(["address", command, operation.scope, name]) == 0

    key = address.routing_key("k8s", operation.row, address.address(operation))
    assert capsys.readouterr().out == f"{key}\n"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("hello", "k8s-eu1.0.controllers.default.hello"),
        ("hello.world", "k8s-eu1.7.controllers.default.hello-world-cb0d83"),
    ],
)
def test_the_key_begins_with_the_provider_and_encodes_dots_in_names(name, key, capsys):
    command = ["address", "update_controller_replicas", "default", name, "--provider", "k8s-eu1"]

    assert main(command) == 0
    assert capsys.readouterr().out == f"{key}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["restart", "default", "hello"], "'restart' is not one of 'set_machine_labels'"),
        (["get_machine", "default", "hello"], "Invalid value for 'OPERATION'"),
        (["delete_service", "a b", "hello"], "SCOPE: expected a name"),
        (["delete_service", "default", "../hello"], "NAME: expected a name"),
        (["delete_service", "default", ""], "NAME: expected a name"),
        (["delete_service", "default", "hello", "--provider", "K8S"], "'--provider': expected"),
        (["delete_service", "default", "hello", "--provider", "dead"], "'--provider': expected"),
    ],
)
def test_an_invalid_argument_is_answered_with_what_was_expected(words, expected, capsys):
    assert main(["address", *words]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert expected in printed.err


def test_a_missing_name_prints_the_usage(capsys):
    assert main(["address", "delete_service", "default"]) == 2

    assert "Usage: machinist address [OPTIONS] OPERATION SCOPE NAME" in capsys.readouterr().err
