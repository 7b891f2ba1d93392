"""The documents: valid, up to date, complete, and with examples that match their schemas."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are another package
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts import outcomes
from contracts.api import OPERATIONS
from contracts.documents import asyncapi, examples, files, openapi
from contracts.faults import NOT_ATTEMPTED, STATUS, Code
from contracts.outcomes import Result
from contracts.records import dead_letters
from tests.examples import EXAMPLES, message_of

ASYNCAPI = Path(__file__).parent / "asyncapi" / "3.0.0.json"

BOTH = pytest.mark.parametrize("name", files.DOCUMENTS)


@cache
def operations() -> dict[str, Any]:
    """Return the operations in the OpenAPI document by name."""
    paths = openapi.document()["paths"].values()
    return {
        operation["operationId"]: {**operation, "method": method}
        for path in paths
        for method, operation in path.items()
    }


@BOTH
def test_the_file_is_up_to_date(name):
    assert files.kept(name) == files.text(name), (
        f"contracts/documents/{name} differs from the generated document; "
        f"if this change of the API is intended, run: {files.COMMAND}"
    )


@BOTH
def test_the_generation_of_a_document_is_deterministic(name):
    assert files.text(name) == files.text(name)
    assert files.text(name).endswith("}\n")


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(openapi.document()).validate()


def test_the_asyncapi_document_is_valid():
    schema = json.loads(ASYNCAPI.read_text())

    jsonschema.Draft7Validator(schema).validate(asyncapi.document())


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_the_target_of_every_reference_exists(document):
    for reference in _values(document, "$ref"):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_patterns_are_in_the_dialect_of_javascript(document):
    patterns = list(_values(document, "pattern"))

    assert patterns
    assert not [pattern for pattern in patterns if "\\Z" in pattern or "\\A" in pattern]


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_descriptions_from_docstrings_are_not_indented(document):
    """The indent of docstrings depends on the version of Python."""
    assert not [text for text in _values(document, "description") if "\n " in text]


def test_both_documents_describe_every_operation():
    http = operations()
    messages = asyncapi.document()["components"]["messages"]

    assert http.keys() - OPERATIONS.keys() == {"status", "ready"}
    replies = {f"{name}_reply" for name in OPERATIONS}
    assert messages.keys() - OPERATIONS.keys() == replies | {"problem", "outcome", "dead"}
    assert OPERATIONS.keys() <= http.keys() & messages.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_has_a_description(name):
    for parameter in operations()[name]["parameters"]:
        assert parameter["description"], parameter["name"]
        assert "null" not in json.dumps(parameter["schema"]), parameter["name"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_body_with_examples_is_described_exactly_if_the_row_has_a_body(name):
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
    """Yield every request and response body of an OpenAPI document."""
    if isinstance(value, dict):
        yield from value.get("content", {}).values()
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from medias(item)


def test_every_http_body_has_a_named_schema_and_valid_examples():
    document = openapi.document()
    found = list(medias({"paths": document["paths"], "responses": document["components"]}))

    assert len(found) > 2 * len(OPERATIONS)
    for media in found:
        assert "$ref" in media["schema"] or "$ref" in media["schema"]["items"]
        assert media["examples"]
        for example in media["examples"].values():
            fits(document, media["schema"], example["value"])


def test_every_message_has_valid_examples():
    document = asyncapi.document()

    for message in document["components"]["messages"].values():
        assert message["examples"]
        for example in message["examples"]:
            fits(document, message["payload"], example["payload"])
            fits(document, message["headers"], example.get("headers", {"status": 200}), partly=True)


def fits(
    document: dict[str, Any], schema: dict[str, Any], value: Any, *, partly: bool = False
) -> None:
    """Validate a value; with `partly`, required members may be missing."""
    whole = {**schema, "components": document["components"]}
    errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
    assert not [each.message for each in errors if not (partly and each.validator == "required")]


def test_every_operation_has_a_recorded_reply_of_kubernetes():
    for name, operation in OPERATIONS.items():
        recorded = examples.RECORDED.operations[name]
        assert "k8s" in recorded, name
        assert set(recorded) <= set(examples.PLATFORMS), name
        assert operation.row.gives is not dict


def test_every_code_has_a_recorded_problem_with_its_status():
    for code in Code:
        problems = examples.RECORDED.problems[code]
        assert problems, code
        for problem in problems.values():
            assert (problem["code"], problem["status"]) == (code, STATUS[code])


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_no_schema_has_a_name_that_client_generators_derive_for_anonymous_schemas(document):
    """They name an anonymous object or enumeration after its parent and its member."""
    schemas = document["components"]["schemas"]
    folded = [name.lower() for name in schemas]

    assert len(set(folded)) == len(folded)
    for parent, schema in schemas.items():
        for member, of_member in schema.get("properties", {}).items():
            assert f"{parent}{member}".lower() not in folded
            if not parent.endswith("Headers"):
                assert not list(anonymous(of_member)), (parent, member)


def anonymous(schema: Any) -> Iterator[Any]:
    """Yield the objects and enumerations inside a schema that are not named components."""
    if isinstance(schema, list):
        for item in schema:
            yield from anonymous(item)
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "enum" in schema:
            yield schema
        yield from anonymous(list(schema.values()))


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_no_schema_has_a_default(document):
    """openapi-typescript treats a member with a default as required."""
    schemas = document["components"]["schemas"].values()

    assert not [each for each in schemas if '"default":' in json.dumps(each)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_status_that_an_operation_can_have_is_described(name):
    described = set(operations()[name]["responses"])
    expected = {str(int(status)) for status in STATUS.values()} | {"200"}
    never = {"405"} if OPERATIONS[name].row.body else {"405", "415"}

    assert described == expected - never


def test_the_responses_429_and_503_have_a_header_retry_after():
    responses = openapi.document()["components"]["responses"]

    assert all("Retry-After" in responses[f"Problem{s}"]["headers"] for s in NOT_ATTEMPTED)


def test_scaling_is_described_with_its_limits():
    body = operations()["update_controller_replicas"]["requestBody"]["content"]["application/json"]
    schema = openapi.document()["components"]["schemas"]["UpdateControllerReplicasBody"]
    replicas = schema["properties"]["replicas"]

    assert body["examples"] == {"any": {"value": {"replicas": 3}}}
    assert schema["required"] == ["replicas"]
    assert (replicas["minimum"], replicas["maximum"]) == (0, 150_000)


def test_labels_are_described_as_a_repeated_parameter():
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


def test_a_published_outcome_dead_letter_and_request_match_their_schemas():
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


def test_headers_that_make_a_message_dead_are_invalid_in_the_schema():
    schema = asyncapi.document()["components"]["schemas"]["RequestHeaders"]

    for headers in ({"CC": "x"}, {"BCC": "x"}, {"idempotency-key": ""}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(headers)


def test_the_parameter_result_of_outcomes_lists_every_result():
    parameters = asyncapi.document()["channels"]["outcomes"]["parameters"]

    assert parameters["result"]["enum"] == list(Result)


def test_renewing_writes_only_changed_files(tmp_path):
    assert files.renew(tmp_path) == ["openapi.json", "asyncapi.json"]
    assert files.renew(tmp_path) == []
    assert files.kept("openapi.json", tmp_path) == files.text("openapi.json")


def _values(value: Any, key: str) -> Any:
    """Yield every string under a key, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get(key), str):
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _values(item, key)
