"""The OpenAPI 3.1 document, derived from the table."""

from typing import Any

import msgspec

from contracts import VERSION
from contracts.api import OPERATIONS
from contracts.faults import PROBLEM_JSON, STATUS, Problem
from contracts.operation import Operation
from contracts.validation import describe
from contracts.wire import JSON

SCHEMAS = "#/components/schemas/{name}"
ANSWERS_TO_ERRORS = sorted({int(status) for status in STATUS.values()})

PROVIDER = {
    "name": "provider",
    "in": "path",
    "required": True,
    "description": "The name that the platform's workers are attached under.",
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$", "examples": ["k8s"]},
}

LABEL_PARAMETER = {
    "name": "labels",
    "in": "query",
    "description": "`key=value`, once for each label; `labels[]` is read as well.",
    "schema": {"type": "array", "items": {"type": "string", "examples": ["app=hello"]}},
    "style": "form",
    "explode": True,
}


def document() -> dict[str, Any]:
    """The whole document."""
    results = [operation.row.result for operation in OPERATIONS.values()]
    fields = [field.type for op in OPERATIONS.values() for field in msgspec.structs.fields(op)]
    schemas, components = msgspec.json.schema_components(
        [*results, *fields, Problem], ref_template=SCHEMAS
    )
    by_result = dict(zip(OPERATIONS, schemas, strict=False))
    by_field = iter(schemas[len(results) :])
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
        "components": {"schemas": components, "responses": {"Problem": _problem()}},
    }


def _operation(
    operation: type[Operation[Any]], schemas: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    row = operation.row
    members = {row.body} if isinstance(row.body, str) else set(row.body)
    fields = [f for f in msgspec.structs.fields(operation) if f.name not in members]
    described: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [row.collection],
        "parameters": [PROVIDER, *(_parameter(row.path_fields, f, schemas) for f in fields)],
        "responses": {
            "200": {"description": "Done.", "content": {JSON: {"schema": result}}},
            **{str(s): {"$ref": "#/components/responses/Problem"} for s in ANSWERS_TO_ERRORS},
        },
    }
    if isinstance(row.body, str):
        described["requestBody"] = _body(schemas[row.body])
    elif row.body:
        properties = {name: schemas[name] for name in row.body}
        described["requestBody"] = _body(
            {"type": "object", "properties": properties, "required": list(row.body)}
        )
    return described


def _parameter(path_fields: tuple[str, ...], field: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.name == "labels":
        return {**LABEL_PARAMETER, "required": field.required}
    in_path = field.name in path_fields
    return {
        "name": field.encode_name,
        "in": "path" if in_path else "query",
        "required": in_path or field.required,
        "description": describe(field.type) or "",
        "schema": schemas[field.name],
    }


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {JSON: {"schema": schema}}}


def _problem() -> dict[str, Any]:
    return {
        "description": "RFC 9457; `Retry-After` comes with 429 and 503, which were not attempted.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": SCHEMAS.format(name="Problem")}}},
    }


def _own_paths() -> dict[str, Any]:
    return {
        "/status": _own("status", "Whether the gateway lives.", {"200"}),
        "/ready": _own("ready", "Whether it reaches the broker, and who is attached.", {"503"}),
    }


def _own(name: str, summary: str, statuses: set[str]) -> dict[str, Any]:
    content = {"content": {JSON: {"schema": {"type": "object"}}}}
    answers = {s: {"description": summary, **content} for s in sorted({"200"} | statuses)}
    return {
        "get": {"operationId": name, "summary": summary, "tags": ["self"], "responses": answers}
    }
