"""The documents: valid, as the table has them, and readable by somebody who never saw the code."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are another package
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts import dead_letters, outcomes
from contracts.api import OPERATIONS
from contracts.documents import asyncapi, examples, files, openapi
from contracts.faults import NOT_ATTEMPTED, STATUS, Code
from contracts.outcomes import Result
from tests.examples import EXAMPLES, message_of

ASYNCAPI = Path(__file__).parent / "asyncapi" / "3.0.0.json"

BOTH = pytest.mark.parametrize("name", files.DOCUMENTS)


@cache
def operations() -> dict[str, Any]:
    """The operations in the OpenAPI document, by their name."""
    paths = openapi.document()["paths"].values()
    return {
        operation["operationId"]: {**operation, "method": method}
        for path in paths
        for method, operation in path.items()
    }


@BOTH
def test_the_file_holds_what_the_table_gives(name):
    assert files.kept(name) == files.text(name), (
        f"contracts/documents/{name} is not what the table gives; "
        f"if the API was meant to change, renew it with: {files.COMMAND}"
    )


@BOTH
def test_a_document_is_the_same_whenever_it_is_made(name):
    assert files.text(name) == files.text(name)
    assert files.text(name).endswith("}\n")


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(openapi.document()).validate()


def test_the_asyncapi_document_is_valid():
    schema = json.loads(ASYNCAPI.read_text())

    jsonschema.Draft7Validator(schema).validate(asyncapi.document())


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_every_reference_leads_somewhere(document):
    for reference in _values(document, "$ref"):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_patterns_are_those_of_javascript(document):
    patterns = list(_values(document, "pattern"))

    assert patterns
    assert not [pattern for pattern in patterns if "\\Z" in pattern or "\\A" in pattern]


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_a_description_has_no_indent_which_pythons_give_docstrings_differently(document):
    assert not [text for text in _values(document, "description") if "\n " in text]


def test_every_operation_is_described_over_http_and_over_the_broker():
    http = operations()
    messages = asyncapi.document()["components"]["messages"]

    assert http.keys() - OPERATIONS.keys() == {"status", "ready"}
    replies = {f"{name}_reply" for name in OPERATIONS}
    assert messages.keys() - OPERATIONS.keys() == replies | {"problem", "outcome", "dead"}
    assert OPERATIONS.keys() <= http.keys() & messages.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_says_what_it_is(name):
    for parameter in operations()[name]["parameters"]:
        assert parameter["description"], parameter["name"]
        assert "null" not in json.dumps(parameter["schema"]), parameter["name"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_has_a_body_with_an_example_exactly_if_the_row_has_one(name):
    body = operations()[name].get("requestBody")

    assert bool(body) == bool(OPERATIONS[name].row.body)
    if body:
        assert body["content"]["application/json"]["examples"]


def test_the_examples_of_a_message_are_valid_operations():
    messages = asyncapi.document()["components"]["messages"]

    for name, operation in OPERATIONS.items():
        assert messages[name]["examples"]
        for example in messages[name]["examples"]:
            assert isinstance(msgspec.convert(example["payload"], operation), operation)


def medias(value: Any) -> Iterator[dict[str, Any]]:
    """Every body and answer of an OpenAPI document."""
    if isinstance(value, dict):
        yield from value.get("content", {}).values()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from medias(item)


def test_every_body_answer_and_error_has_a_schema_and_examples_that_fit_it():
    document = openapi.document()
    found = list(medias({"paths": document["paths"], "responses": document["components"]}))

    assert len(found) > 2 * len(OPERATIONS)
    for media in found:
        assert "$ref" in media["schema"] or "$ref" in media["schema"]["items"]
        assert media["examples"]
        for example in media["examples"].values():
            fits(document, media["schema"], example["value"])


def test_every_message_has_a_schema_and_examples_that_fit_it():
    document = asyncapi.document()

    for message in document["components"]["messages"].values():
        assert message["examples"]
        for example in message["examples"]:
            fits(document, message["payload"], example["payload"])
            fits(document, message["headers"], example.get("headers", {"status": 200}), partly=True)


def fits(
    document: dict[str, Any], schema: dict[str, Any], value: Any, *, partly: bool = False
) -> None:
    """Check a value; `partly` leaves out what has to be there."""
    whole = {**schema, "components": document["components"]}
    errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
    assert not [each.message for each in errors if not (partly and each.validator == "required")]


def test_the_answer_of_an_operation_has_an_example_of_each_platform():
    for name, operation in OPERATIONS.items():
        recorded = examples.RECORDED.operations[name]
        assert "k8s" in recorded, name
        assert set(recorded) <= set(examples.PLATFORMS), name
        assert operation.row.gives is not dict


def test_every_code_of_an_error_has_an_example_with_its_status():
    for code in Code:
        problems = examples.RECORDED.problems[code]
        assert problems, code
        for problem in problems.values():
            assert (problem["code"], problem["status"]) == (code, STATUS[code])


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_no_schema_is_named_as_generators_name_what_has_no_name(document):
    """They name an object or enumeration without a name after its parent and its member."""
    schemas = document["components"]["schemas"]
    folded = [name.lower() for name in schemas]

    assert len(set(folded)) == len(folded)
    for parent, schema in schemas.items():
        for member, of_member in schema.get("properties", {}).items():
            assert f"{parent}{member}".lower() not in folded
            if not parent.endswith("Headers"):
                assert not list(nameless(of_member)), (parent, member)


def nameless(schema: Any) -> Iterator[Any]:
    """The objects and enumerations inside a schema that have no name of their own."""
    if isinstance(schema, list):
        for item in schema:
            yield from nameless(item)
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "enum" in schema:
            yield schema
        yield from nameless(list(schema.values()))


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_no_schema_has_a_default(document):
    """openapi-typescript takes what has one for required."""
    schemas = document["components"]["schemas"].values()

    assert not [each for each in schemas if '"default":' in json.dumps(each)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_status_that_an_operation_can_have_is_described(name):
    described = set(operations()[name]["responses"])
    expected = {str(int(status)) for status in STATUS.values()} | {"200"}
    never = {"405"} if OPERATIONS[name].row.body else {"405", "415"}

    assert described == expected - never


def test_what_was_not_attempted_is_described_with_retry_after():
    responses = openapi.document()["components"]["responses"]

    assert all("Retry-After" in responses[f"Problem{s}"]["headers"] for s in NOT_ATTEMPTED)


def test_scaling_is_described_with_its_limits():
    body = operations()["update_controller_replicas"]["requestBody"]["content"]["application/json"]
    schema = openapi.document()["components"]["schemas"]["UpdateControllerReplicasBody"]
    replicas = schema["properties"]["replicas"]

    assert body["examples"] == {"any": {"value": {"replicas": 3}}}
    assert schema["required"] == ["replicas"]
    assert (replicas["minimum"], replicas["maximum"]) == (0, 150_000)


def test_labels_are_described_as_a_parameter_that_is_repeated():
    parameters = {p["name"]: p for p in operations()["get_services_by_labels"]["parameters"]}

    assert parameters["labels"]["required"] is True
    assert parameters["labels"]["explode"] is True
    assert parameters["labels"]["schema"]["type"] == "array"


def test_commands_are_persistent_and_queries_are_not():
    described = asyncapi.document()["operations"]
    sends = {name: each for name, each in described.items() if each["action"] == "send"}
    modes = {name: each["bindings"]["amqp"]["deliveryMode"] for name, each in sends.items()}

    queries = {name: 1 for name, operation in OPERATIONS.items() if operation.row.safe}
    assert modes == dict.fromkeys([*OPERATIONS, "event"], 2) | queries


def test_an_outcome_that_is_published_is_what_the_document_describes():
    document = asyncapi.document()
    components = document["components"]["schemas"]
    command = message_of(EXAMPLES["update_controller_replicas"])
    what = {"status": 200, "before": {"replicas": 1}, "finished": outcomes.now()}
    outcome = outcomes.outcome_of(command, "k8s", Result.DONE, **what)
    message = outcomes.message_of(outcome, "worker/test", "00-trace")

    for instance, name in (
        (json.loads(message.body), "Outcome"),
        (message.headers, "OutcomeHeaders"),
        (
            dead_letters.dead_letter(command, "a reason", "a queue", "worker/test").headers,
            "DeadHeaders",
        ),
        (command.headers, "RequestHeaders"),
    ):
        schema = {**components[name], "components": {"schemas": components}}
        jsonschema.Draft202012Validator(schema).validate(instance)
        assert instance.keys() <= components[name]["properties"].keys()
    key = document["channels"]["outcomes"]["address"]
    assert message.key == key.format(
        result="done", provider="k8s", address="controllers.default.hello"
    )


def test_what_makes_a_message_dead_is_described_as_forbidden():
    schema = asyncapi.document()["components"]["schemas"]["RequestHeaders"]

    for headers in ({"CC": "x"}, {"BCC": "x"}, {"idempotency-key": ""}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(headers)


def test_every_result_is_in_the_key_of_outcomes():
    parameters = asyncapi.document()["channels"]["outcomes"]["parameters"]

    assert parameters["result"]["enum"] == list(Result)


def test_renewing_writes_only_what_has_changed(tmp_path):
    assert files.renew(tmp_path) == ["openapi.json", "asyncapi.json"]
    assert files.renew(tmp_path) == []
    assert files.kept("openapi.json", tmp_path) == files.text("openapi.json")


def _values(value: Any, key: str) -> Any:
    """Whatever is under a key, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _values(item, key)
