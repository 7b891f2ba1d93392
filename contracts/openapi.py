"""The OpenAPI 3.1 document, derived from the table."""

from http import HTTPStatus
from typing import Any

import msgspec

from contracts import VERSION
from contracts.api import OPERATIONS
from contracts.faults import NOT_ATTEMPTED, PROBLEM_JSON, STATUS, Code, Fault, Problem
from contracts.operation import Operation, Row
from contracts.schemas import REFERENCE, example_of, schemas
from contracts.validation import describe
from contracts.wire import JSON

PROVIDER = {
    "name": "provider",
    "in": "path",
    "required": True,
    "description": "The name that the platform's workers are attached under.",
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"},
    "example": "k8s",
}

LABELS = {
    "name": "labels",
    "in": "query",
    "description": "`key=value`, once for each label; `labels[]` is read as well.",
    "schema": {"type": "array", "items": {"type": "string"}},
    "style": "form",
    "explode": True,
    "example": ["app=hello"],
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a repeat harmless: within 10 minutes the same command under the same key "
    "gets the first one's reply and is not run again, as long as the same worker owns its "
    "partition and 10,000 keys have not followed. Another command under it is 400.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "example": "7f9c2ba4e88f827d",
}

MEANINGS = {
    "scope": "A Kubernetes namespace, an ECS cluster.",
    "id": "A machine: the name of a pod, the id of a task.",
    "name": "The thing to act on, by its name.",
    "machine_id": "Only the controller that runs this machine.",
    "kind": "A hint; without it the name alone decides. Ignored by platforms with one kind.",
    "api_version": "A hint that goes with `kind`.",
}
"""Of parameters, by field; another field is described by what its type expects."""

WITHOUT_ROUTE = {HTTPStatus.METHOD_NOT_ALLOWED}
WITHOUT_BODY = WITHOUT_ROUTE | {HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
"""The statuses that an operation without a body is never answered with."""


def document() -> dict[str, Any]:
    """The whole document."""
    results = [operation.row.result for operation in OPERATIONS.values()]
    fields = [field.type for op in OPERATIONS.values() for field in msgspec.structs.fields(op)]
    of_types, components = schemas([*results, *fields, Problem])
    components["Problem"]["examples"] = [_problem()]
    by_result = dict(zip(OPERATIONS, of_types, strict=False))
    by_field = iter(of_types[len(results) :])
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        row = operation.row
        of_fields = {f.name: next(by_field) for f in msgspec.structs.fields(operation)}
        path = paths.setdefault("/{provider}" + row.path, {})
        path[row.method.lower()] = _operation(operation, of_fields, by_result[name])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "machinist",
            "version": VERSION,
            "description": "One REST API over the compute platforms that run applications.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {**paths, **_own_paths()},
        "components": {
            "schemas": components,
            "responses": {f"Problem{s}": _response(s) for s in sorted(set(STATUS.values()))},
        },
    }


def _operation(
    operation: type[Operation[Any]], of_fields: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    row = operation.row
    members = {row.body} if isinstance(row.body, str) else set(row.body)
    fields = [f for f in msgspec.structs.fields(operation) if f.name not in members]
    answers = set(STATUS.values()) - (WITHOUT_ROUTE if row.body else WITHOUT_BODY)
    keys = [] if row.safe else [IDEMPOTENCY_KEY]
    described: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [row.collection],
        "parameters": [PROVIDER, *(_parameter(row, field, of_fields) for field in fields), *keys],
        "responses": {
            "200": {"description": "Done.", "content": {JSON: {"schema": result}}},
            **{f"{s}": {"$ref": f"#/components/responses/Problem{s}"} for s in sorted(answers)},
        },
    }
    if row.body:
        described["requestBody"] = _body(operation, of_fields)
    return described


def _parameter(row: Row, field: Any, of_fields: dict[str, Any]) -> dict[str, Any]:
    if field.name == "labels":
        return {**LABELS, "required": field.required}
    in_path = field.name in row.path_fields
    # None stands for a parameter that is not there; it cannot be written in a URL.
    schema = of_fields[field.name].get("anyOf", [of_fields[field.name]])[0]
    return {
        "name": field.encode_name,
        "in": "path" if in_path else "query",
        "required": in_path or field.required,
        "description": MEANINGS.get(field.name) or describe(field.type) or "",
        "schema": schema,
    }


def _body(operation: type[Operation[Any]], of_fields: dict[str, Any]) -> dict[str, Any]:
    """The body is one field of the operation, or an object of some."""
    body = operation.row.body
    values = example_of(operation)
    if isinstance(body, str):
        media = {"schema": of_fields[body], "example": values[body]}
    else:
        properties = {name: of_fields[name] for name in body}
        schema = {"type": "object", "properties": properties, "required": list(body)}
        media = {"schema": schema, "example": {name: values[name] for name in body}}
    return {"required": True, "content": {JSON: media}}


def _problem() -> Any:
    fault = Fault(Code.NOT_FOUND, "controller hello is not in the scope default")
    return msgspec.to_builtins(fault.problem())


def _response(status: HTTPStatus) -> dict[str, Any]:
    codes = " or ".join(f"`{code}`" for code in Code if STATUS[code] is status)
    described: dict[str, Any] = {
        "description": f"A problem of RFC 9457; `code` is {codes}.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
    }
    if status in NOT_ATTEMPTED:
        described["description"] += " Nothing was attempted and nothing will be."
        described["headers"] = {
            "Retry-After": {
                "description": "Repeat after so many seconds.",
                "required": True,
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    if status is HTTPStatus.GATEWAY_TIMEOUT:
        described["description"] += " It may or may not have happened; a repeat has one effect."
    return described


def _own_paths() -> dict[str, Any]:
    return {
        "/status": _own("status", "Whether the gateway lives.", {"200": "It does."}),
        "/ready": _own(
            "ready",
            "Whether it reaches the broker, and who is attached.",
            {"200": "It does.", "503": "It does not; `broker.reason` says why."},
        ),
    }


def _own(name: str, summary: str, answers: dict[str, str]) -> dict[str, Any]:
    content = {"content": {JSON: {"schema": {"type": "object"}}}}
    responses = {status: {"description": text, **content} for status, text in answers.items()}
    return {
        "get": {"operationId": name, "summary": summary, "tags": ["self"], "responses": responses}
    }
