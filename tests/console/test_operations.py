"""Arguments and options of operations, and tables of their replies; without a broker."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from contracts.api import OPERATIONS, GetMachines, UpdateControllerReplicas
from contracts.faults import Code, Fault
from contracts.wire import Reply, reply_of
from gateway.console.__main__ import main
from gateway.console.failures import Failure
from gateway.console.get.queries import NOUNS
from gateway.console.terminal.operations import example
from gateway.console.terminal.replies import print_reply
from gateway.console.terminal.resources import text
from tests.examples import ANSWERS

QUERIES = [name for name, operation in OPERATIONS.items() if operation.row.safe]


def printed(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the words of each line of the output."""
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_every_query_of_the_table_has_a_command():
    assert sorted(operation.row.name for operation in NOUNS.values()) == sorted(QUERIES)
    assert {"machines", "machine", "httproute"} < NOUNS.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_the_reply_to_every_query_is_printed_as_a_table_and_as_it_is(name, capsys):
    body = msgspec.json.encode(ANSWERS[name])
    row = OPERATIONS[name].row

    print_reply(row, Reply(200, body), as_json=False)
    header, *rows = printed(capsys)
    print_reply(row, Reply(200, body), as_json=True)

    assert header[0] in ("ID", "NAME")
    assert rows[0][0].startswith("hello")
    assert json.loads(capsys.readouterr().out) == json.loads(body)


def test_a_controller_is_followed_by_its_machines(capsys):
    controller = {"name": "hello", "replicas": 1, "labels": {}, "providerMetadata": {}}
    machine = {"id": "m1", "status": "Running", "ready": True, "labels": {"a": "b"}}
    body = msgspec.json.encode({"controller": controller | {"machines": [machine]}})

    print_reply(OPERATIONS["get_controller"].row, Reply(200, body), as_json=False)

    assert printed(capsys)[1:] == [
        ["hello", "-", "1", "-"],
        ["ID", "STATUS", "READY", "AGE", "CONTROLLER", "LABELS"],
        ["m1", "Running", "yes", "-", "-", "a=b"],
    ]


def test_warnings_of_a_reply_are_remarks(capsys):
    body = msgspec.json.encode(
        {"name": "hello", "replicas": 5, "warnings": ["the autoscaler web owns the replicas"]}
    )

    print_reply(UpdateControllerReplicas.row, Reply(200, body), as_json=False)

    assert capsys.readouterr().err == "warning: the autoscaler web owns the replicas\n"


def test_an_error_is_a_failure_with_code_and_message_and_its_json_is_printed(capsys):
    reply = reply_of(Fault(Code.NOT_FOUND, "there is no hello"), "c1")

    with pytest.raises(Failure, match=r"404 not_found: there is no hello"):
        print_reply(GetMachines.row, reply, as_json=True)

    assert json.loads(capsys.readouterr().out)["commandId"] == "c1"


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(days=5, hours=3), "5d"), (timedelta(minutes=90), "1h"), (timedelta(0), "0s")],
)
def test_a_time_is_shown_as_an_age_in_its_largest_unit(age, expected):
    since = (datetime.now(UTC) - age).isoformat()

    assert text("AGE", {"startTime": since}, "startTime") == expected


def test_values_of_lists_are_joined():
    gateway = {"status": {"addresses": [{"value": "10.0.0.1"}, {"value": "10.0.0.2"}]}}

    assert text("ADDRESSES", gateway, "status.addresses.value") == "10.0.0.1,10.0.0.2"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["get", "machines"], "Missing argument 'SCOPE'"),
        (["get", "machines", "a b"], "scope: expected a name"),
        (["get", "machines", "default", "-l", "app"], "labels: expected key=value"),
        (["get", "services", "default"], "Missing option '-l' / '--labels'"),
        (["get", "machines", "default", "--provider", "K8S"], "'--provider': expected"),
        (["get", "pods", "default"], "No such command 'pods'"),
        (["scale", "default", "hello", "many"], "'many' is not a valid integer"),
        (["scale", "default", "hello", "150001"], "replicas: expected a whole number from 0"),
    ],
)
def test_an_invalid_argument_is_answered_with_the_usage_of_its_command(words, expected, capsys):
    assert main(words) == 2

    shown = capsys.readouterr().err
    assert expected in shown
    assert f"Usage: machinist {words[0]}" in shown


def test_an_example_has_the_required_parameters_only():
    assert example(UpdateControllerReplicas) == "default hello 5"
    assert example(GetMachines) == "default"
