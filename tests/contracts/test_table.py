"""Every row of the table, and the rows that the table refuses."""

import msgspec
import pytest

from contracts import address, wire
from contracts.api import OPERATIONS
from contracts.operation import Operation, http
from contracts.resources import Object
from tests.examples import ANSWERS, EXAMPLES

EVERY_ROW = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def test_every_row_has_an_example_request_and_reply():
    assert list(EXAMPLES) == list(OPERATIONS)
    assert list(ANSWERS) == list(OPERATIONS)


@EVERY_ROW
def test_an_operation_survives_encoding_and_decoding(operation):
    example = EXAMPLES[operation.row.name]

    assert wire.decode(operation.row.name, wire.encode(example)) == example


@EVERY_ROW
def test_the_example_reply_has_the_result_type_of_the_row(operation):
    answer = ANSWERS[operation.row.name]

    assert msgspec.json.decode(msgspec.json.encode(answer), type=operation.row.result) == answer


@EVERY_ROW
def test_path_parameters_are_required_strings(operation):
    fields = {field.name: field for field in msgspec.structs.fields(operation)}

    for name in operation.row.path_fields:
        assert fields[name].required
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(1, fields[name].type)


@EVERY_ROW
def test_a_query_has_no_body_and_is_not_sealed(operation):
    row = operation.row

    assert row.safe == (row.method == "GET")
    if row.safe:
        assert not row.body
        assert not row.seal


def test_every_row_has_the_class_of_the_right_that_it_needs():
    scale = {"set_machine_labels", "update_controller_replicas"}
    secrets = {"apply_secret"}

    for name, operation in OPERATIONS.items():
        row = operation.row
        other = "read" if row.safe else "change"
        assert row.access == ("scale" if name in scale else "secrets" if name in secrets else other)


@EVERY_ROW
def test_a_command_whose_whole_body_is_a_secret_needs_the_right_to_secrets(operation):
    row = operation.row

    assert (row.access == "secrets") == (row.secret is not None and row.secret == row.body)


@EVERY_ROW
def test_only_commands_can_be_events_and_only_events_can_be_superseded(operation):
    row = operation.row

    assert not (row.safe and row.from_producers)
    assert row.from_producers or row.collapses is None


@EVERY_ROW
def test_the_operation_to_use_instead_is_another_command_of_the_table(operation):
    row = operation.row

    if row.instead is not None:
        assert row.instead != row.name
        assert not OPERATIONS[row.instead].row.safe


@EVERY_ROW
def test_an_operation_with_a_secret_can_be_sealed(operation):
    assert operation.row.seal or operation.row.secret is None


@EVERY_ROW
def test_a_command_acts_on_a_named_resource(operation):
    if not operation.row.safe:
        assert address.subject(EXAMPLES[operation.row.name])


@EVERY_ROW
def test_a_routing_key_has_provider_slot_and_address(operation):
    example = EXAMPLES[operation.row.name]
    where = address.address(example)
    provider, *slot, rest = address.routing_key("k8s-eu1", operation.row, where).split(
        ".", 1 if operation.row.safe else 2
    )

    assert provider == "k8s-eu1"
    assert rest == where
    assert slot == ([] if operation.row.safe else [str(address.slot(where))])
    assert where.split(".")[:2] == [operation.row.collection, "default"]


@EVERY_ROW
def test_a_row_has_a_summary_of_one_sentence(operation):
    assert operation.row.summary.endswith(".")


def test_no_two_rows_share_a_route():
    routes = {(operation.row.method, operation.row.path) for operation in OPERATIONS.values()}

    assert len(routes) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("apply_workload", "controllers.default.hello-v2"),
        ("apply_route_plan", "httproutes.default.hello"),
        ("apply_controller", "controllers.default.hello"),
        ("update_controller_replicas", "controllers.default.hello"),
        ("apply_http_route", "httproutes.default.hello"),
        ("apply_secret", "secrets.default.hello"),
    ],
)
def test_commands_on_one_resource_have_one_address(command, expected):
    assert address.address(EXAMPLES[command]) == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"path": "/things/{scope}/{absent}"}, "fields that it does not have"),
        ({"path": "/things/{scope}", "body": "absent"}, "fields that it does not have"),
        ({"path": "/things/{scope}", "body": ("scope", "absent")}, "does not have"),
        ({"path": "/things/{scope}", "body": "thing"}, "is a GET and has no body"),
        ({"path": "/things/{scope}", "access": "scale"}, "is a GET: its access is read"),
    ],
)
def test_a_row_that_does_not_fit_its_struct_is_refused_at_import(arguments, reason):
    with pytest.raises(TypeError, match=reason):

        @http("GET", collection="machines", **arguments)
        class GetThing(Operation[Object], frozen=True):
            """Describe a thing."""

            thing: str

    assert "get_thing" not in OPERATIONS


def test_a_duplicate_name_is_refused_at_import():
    with pytest.raises(TypeError, match="get_machine is in the table already"):

        @http("GET", "/other/{scope}", collection="machines")
        class GetMachine(Operation[Object], frozen=True):
            """Describe a machine."""
