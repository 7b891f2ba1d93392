"""The gateway's own pages: open, or for subjects with a right."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are another package
import pytest

from contracts.api import OPERATIONS
from contracts.documents import openapi
from gateway.documentation import operations as operations_page
from gateway.identity import tokens
from tests.gateway.client import Answer
from tests.gateway.requests import REQUESTS
from tests.identity.guarded import Guarded, bearer, by_token, rights_of, rule

KNOWN, UNKNOWN = tokens.new_token(), tokens.new_token()
OPEN = [
    "/status",
    *("/documentation", "/documentation/messages"),
    *("/documentation/json", "/documentation/asyncapi"),
    *(operations_page.SCRIPT, operations_page.STYLE),
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """A gateway with two tokens; the subject of one of them has a right."""
    folder = tmp_path_factory.mktemp("pages")
    lines = [tokens.line_of(KNOWN, "ci", None), tokens.line_of(UNKNOWN, "nobody", None)]
    return Guarded(by_token(folder, *lines), rights_of(folder, rule("ci", scopes=["bakery"])))


@pytest.mark.parametrize("path", OPEN)
async def test_liveness_and_documentation_need_no_token(guarded: Guarded, path: str) -> None:
    answers = [await guarded.client.ask(method, path) for method in ("GET", "HEAD", "OPTIONS")]

    assert [each.status for each in answers] == [200, 200, 204]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_readiness_is_for_subjects_with_any_right(guarded: Guarded, method: str) -> None:
    """It names providers, workers, and parts of the broker."""
    headers = [[], bearer("wrong"), bearer(UNKNOWN), bearer(KNOWN)]
    answers = [await guarded.client.ask(method, "/ready", headers=each) for each in headers]

    assert [each.status for each in answers] == [401, 401, 403, 503]
    for refused in answers[:3]:
        assert b"broker" not in refused.body
        assert refused.headers["www-authenticate"].startswith("Bearer ")


async def test_without_authentication_readiness_is_open() -> None:
    answer = await Guarded(None, None).client.get("/ready")

    assert (answer.status, answer.json()["status"]) == (503, "not ready")


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in openapi.document()["paths"].values():
        for operation in path.values():
            yield operation["operationId"], operation


def test_the_document_has_the_class_of_the_right_for_every_operation() -> None:
    document = openapi.document()
    for name, operation in operations():
        if name == "status":
            assert "security" not in operation
            continue
        access = [OPERATIONS[name].row.access] if name in OPERATIONS else []
        assert operation["security"] == [{"token": access}, {"certificate": access}, {}]
        assert {"401", "403"} <= operation["responses"].keys()
    assert document["components"]["securitySchemes"].keys() == {"token", "certificate"}


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.operation.row.name)
async def test_the_document_describes_every_refusal(guarded: Guarded, case: Any) -> None:
    document = openapi.document()
    described = dict(operations())[case.operation.row.name]["responses"]
    refused = [
        await guarded.client.ask(case.method, f"/memory{case.path}", b"{}", headers=headers)
        for headers in ([], bearer(KNOWN))
    ]

    assert [each.status for each in refused] == [401, 403]
    for answer in refused:
        fits(document, described[str(answer.status)]["$ref"], answer)


async def test_the_document_describes_the_refusals_of_readiness(guarded: Guarded) -> None:
    document = openapi.document()
    described = dict(operations())["ready"]["responses"]

    for headers, status in (([], 401), (bearer(UNKNOWN), 403)):
        answer = await guarded.client.get("/ready", headers=headers)
        assert answer.status == status
        fits(document, described[str(status)]["$ref"], answer)


def fits(document: dict[str, Any], reference: str, answer: Answer) -> None:
    """Assert that a response has the described headers and the described body."""
    response = document["components"]["responses"][reference.rpartition("/")[2]]
    required = {name.lower() for name, each in response["headers"].items() if each.get("required")}
    assert required <= answer.headers.keys()
    assert answer.headers.keys() >= {"www-authenticate"}
    schema = response["content"][answer.headers["content-type"]]["schema"]
    jsonschema.validate(json.loads(answer.body), {**schema, "components": document["components"]})
