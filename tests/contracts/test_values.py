"""Values from callers: a wrong value is refused with a description of the expected value."""

from typing import Any

import pytest

from contracts import api, wire
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from tests.contracts.names import BAD_LABELS, BAD_REPLICAS, HOSTILE_NAMES
from tests.examples import EXAMPLES, manifest, workload

NAME = "expected a name of at most 512 letters, digits, '-', '_' and '.', or an ARN"
REPLICAS = "expected a whole number from 0 to 150000"
MISSING = object()
WITH_NAMES = [
    (name, field) for name, operation in OPERATIONS.items() for field in operation.row.path_fields
]


def refusal(name: str, /, **values: Any) -> Fault:
    """Return the fault of an example with changed values; MISSING removes a value."""
    fields = wire.parse(wire.encode(EXAMPLES[name])) | values
    fields = {key: value for key, value in fields.items() if value is not MISSING}
    with pytest.raises(Fault) as raised:
        wire.build(OPERATIONS[name], fields)
    assert raised.value.code is Code.INVALID
    return raised.value


@pytest.mark.parametrize("replicas", BAD_REPLICAS, ids=repr)
def test_replicas_that_are_not_a_whole_number_in_range_are_refused(replicas):
    message = refusal("update_controller_replicas", replicas=replicas).message

    assert message == f"replicas: {REPLICAS}, got {replicas!r}"


def test_missing_replicas_are_refused():
    message = refusal("update_controller_replicas", replicas=MISSING).message

    assert message == f"replicas: {REPLICAS}, got nothing"


@pytest.mark.parametrize("replicas", [0, 1, 150_000])
def test_replicas_from_zero_to_the_largest_cluster_are_accepted(replicas):
    values = {"scope": "default", "name": "hello", "replicas": replicas}
    operation = wire.build(api.UpdateControllerReplicas, values)

    assert operation.replicas == replicas


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_an_invalid_name_is_refused_with_a_description_of_valid_names(name):
    message = refusal("get_machine", id=name).message

    assert message.startswith(f"id: {NAME}, got ")
    assert message.isascii() or "…" in message
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize(("operation", "field"), WITH_NAMES)
def test_every_operation_refuses_an_invalid_or_missing_name(operation, field):
    secret = OPERATIONS[operation].row.seal
    shown = "" if secret else ", got 'a/../b'"

    assert refusal(operation, **{field: "a/../b"}).message == f"{field}: {NAME}{shown}"
    assert refusal(operation, **{field: MISSING}).message == f"{field}: {NAME}, got nothing"


@pytest.mark.parametrize("labels", BAD_LABELS, ids=lambda labels: ascii(labels)[:40])
@pytest.mark.parametrize("operation", ["get_machines", "get_services_by_labels"])
def test_label_filters_that_are_invalid_on_every_platform_are_refused(operation, labels):
    message = refusal(operation, labels=labels).message

    assert message.startswith("labels")
    assert "expected a label" in message


@pytest.mark.parametrize("labels", BAD_LABELS, ids=lambda labels: ascii(labels)[:40])
def test_label_changes_that_are_invalid_on_every_platform_are_refused(labels):
    assert "expected a label" in refusal("set_machine_labels", labels=labels).message


def test_missing_labels_are_refused_for_services_and_for_label_changes():
    for operation in ("get_services_by_labels", "set_machine_labels"):
        assert "got nothing" in refusal(operation, labels=MISSING).message


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"app": "hello"},
        {"app.kubernetes.io/name": "hello"},
        {"a": ""},
        {"team": "us/eu = both: @all +1"},
        {"a_b.c-d": "x" * 256},
        {"Cost Center": "42"},
        {"team": "Zürich"},
        {"部署": "東京　支店"},
        {"-a:b/c/": "+1 @home"},
    ],
)
def test_labels_that_are_valid_on_one_platform_are_accepted(labels):
    operation = wire.build(api.GetMachines, {"scope": "default", "labels": labels})

    assert operation.labels == labels


def test_null_is_valid_in_label_changes_but_not_in_label_filters():
    values = {"scope": "default", "id": "a", "labels": {"app": None}}

    assert wire.build(api.SetMachineLabels, values).labels == {"app": None}
    assert "expected a label" in refusal("get_machines", labels={"app": None}).message


@pytest.mark.parametrize("kind", ["", "Deploy ment", "../x", "a/b", "1a", "x" * 64, "ü", 3])
def test_an_invalid_kind_is_refused(kind):
    assert (
        "kind: expected a kind such as Deployment" in refusal("get_controller", kind=kind).message
    )


@pytest.mark.parametrize("version", ["", "apps/v1/x", "../v1", "apps/", "/v1", "Apps/v1", "a b", 1])
def test_an_invalid_api_version_is_refused(version):
    message = refusal("get_controller", kind=MISSING, apiVersion=version).message

    assert "apiVersion: expected an API version such as apps/v1" in message


@pytest.mark.parametrize("body", [[], "text", 3, True, None], ids=repr)
@pytest.mark.parametrize(
    ("operation", "field", "expected"),
    [
        ("apply_service", "manifest", "a manifest in the platform's own format"),
        ("apply_secret", "manifest", "a manifest in the platform's own format"),
        ("apply_workload", "workload", "a workload"),
        ("apply_route_plan", "plan", "a route plan"),
    ],
)
def test_a_body_that_is_not_an_object_is_refused(operation, field, expected, body):
    assert refusal(operation, **{field: body}).message.startswith(f"{field}: expected {expected}")


CANARY = "canary-9d1f"


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("apply_secret", {"manifest": [CANARY]}),
        ("apply_secret", {"manifest": CANARY}),
        ("apply_secret", {"scope": f"{CANARY} /"}),
        ("apply_controller", {"manifest": [manifest("Deployment", env=CANARY)]}),
        ("apply_workload", {"workload": [workload(pullSecret=CANARY)]}),
        ("apply_workload", {"workload": CANARY}),
    ],
)
def test_a_fault_shows_no_value_of_a_sealed_operation(operation, values):
    assert CANARY not in refusal(operation, **values).message
