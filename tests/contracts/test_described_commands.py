"""The documents of commands: ids, warnings, and bodies that refuse unknown members."""

import pytest

from contracts.api import OPERATIONS
from contracts.documents import asyncapi, openapi
from contracts.faults import PROBLEM_JSON

COMMANDS = {name: each for name, each in OPERATIONS.items() if not each.row.safe}
CLOSED = [
    "Workload", "PullSecret", "Ports", "Amounts", "HealthCheck", "Variable",
    "RoutePlan", "Rule", "Match", "Backend",
]  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_response_to_a_command_has_its_id_and_no_response_to_a_query_has_one(name):
    document = openapi.document()
    shared = document["components"]["responses"]
    row = OPERATIONS[name].row
    described = document["paths"]["/{provider}" + row.path][row.method.lower()]["responses"]

    for response in described.values():
        whole = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        assert ("Command-Id" in whole.get("headers", {})) is (name in COMMANDS)
        problem = whole["content"].get(PROBLEM_JSON, {"examples": {}})
        for example in problem["examples"].values():
            assert ("commandId" in example["value"]) is (name in COMMANDS)


@pytest.mark.parametrize("document", [openapi.document(), asyncapi.document()])
def test_the_reply_to_every_command_may_have_warnings(document):
    schemas = document["components"]["schemas"]

    for operation in COMMANDS.values():
        properties = schemas[operation.row.gives.__name__]["properties"]
        assert properties["warnings"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize("name", CLOSED)
def test_a_schema_without_additional_properties_describes_each_closed_body(name):
    assert openapi.document()["components"]["schemas"][name]["additionalProperties"] is False
