"""The OpenAPI 3.1 document, derived from the table."""

from http import HTTPStatus
from typing import Any

import msgspec

from contracts import VERSION
from contracts.api import OPERATIONS
from contracts.checks.validation import describe
from contracts.documents import examples, security
from contracts.documents.gateway_pages import GatewayStatus, Readiness
from contracts.documents.schemas import REFERENCE, Schemas
from contracts.faults import NOT_ATTEMPTED, PROBLEM_JSON, STATUS, Code, Problem
from contracts.operation import Operation, Row
from contracts.wire import JSON

PROVIDER = {
    "name": "provider",
    "in": "path",
    "required": True,
    "description": "The name under which the workers of the platform are attached.",
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"},
    "examples": {name: {"value": name} for name in examples.PLATFORMS},
}

LABELS = {
    "name": "labels",
    "in": "query",
    "description": "`key=value`, repeated for each label; the name `labels[]` is accepted too.",
    "schema": {"type": "array", "items": {"type": "string"}},
    "style": "form",
    "explode": True,
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a retry idempotent: for 10 minutes, the same command with the same key "
    "gets the first reply and is not run again, unless another worker has taken over its partition "
    "or 10,000 newer keys have followed. Another command with the key is refused with 400.",
    # No example: a tool that sends examples would send the same key with different commands.
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}

CACHE_CONTROL = {
    "name": "Cache-Control",
    "in": "header",
    "description": "`no-cache` asks the platform itself; `max-age=N` refuses an answer that may "
    "lack changes of the last N seconds. Own changes are never missing.",
    "schema": {"type": "string"},
}

AGE = {
    "Age": {
        "description": "The number of seconds for which the answer may lack changes of other "
        "clients. Absent if the platform itself was asked.",
        "schema": {"type": "integer", "minimum": 0},
    }
}

COMMAND_ID = {
    "Command-Id": {
        "description": "The id of the command in the audit.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "example": examples.COMMAND_ID,
    }
}
"""The header of every response to a command."""

MEANINGS = {
    "scope": "A Kubernetes namespace or an ECS cluster.",
    "id": "A machine: the name of a pod or the id of a task.",
    "name": "The name of the resource.",
    "machine_id": "Return only the controller that runs this machine.",
    "kind": "A hint; without it, the controller is found by its name. Ignored by platforms with "
    "one kind of controller.",
    "api_version": "A hint, used together with `kind`.",
}
"""Descriptions of parameters by field; other fields are described by their type."""

QUERY_PROBLEM, COMMAND_PROBLEM = "Problem", "CommandProblem"
"""Prefixes of the response components of queries and of commands."""

WITHOUT_ROUTE = {HTTPStatus.METHOD_NOT_ALLOWED}
WITHOUT_BODY = WITHOUT_ROUTE | {HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
"""Statuses that an operation never answers, and that an operation without a body never answers."""


def document() -> dict[str, Any]:
    """Return the whole document."""
    operations = OPERATIONS.values()
    gives = [operation.row.gives for operation in operations]
    takes = [operation.row.takes for operation in operations]
    fields = [field.type for op in operations for field in msgspec.structs.fields(op)]
    schemas = Schemas([*gives, *takes, *fields, Problem, GatewayStatus, Readiness])
    found = iter(schemas)
    given = dict(zip(OPERATIONS, found, strict=False))
    taken = dict(zip(OPERATIONS, found, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        row = operation.row
        of_fields = {f.name: next(found) for f in msgspec.structs.fields(operation)}
        path = paths.setdefault("/{provider}" + row.path, {})
        described = _operation(operation, of_fields, given[name])
        if row.body:
            body = _body(operation, of_fields, taken[name], schemas)
            described["requestBody"] = {"required": True, "content": {JSON: body}}
        path[row.method.lower()] = described
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
            "securitySchemes": security.SCHEMES,
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {
                f"{kind}{s}": _response(s, of_command=kind is COMMAND_PROBLEM)
                for kind in (QUERY_PROBLEM, COMMAND_PROBLEM)
                for s in sorted(set(STATUS.values()))
            },
        },
    }


def _operation(
    operation: type[Operation[Any]], of_fields: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    row = operation.row
    members = {row.body} if isinstance(row.body, str) else set(row.body)
    fields = [f for f in msgspec.structs.fields(operation) if f.name not in members]
    problem = QUERY_PROBLEM if row.safe else COMMAND_PROBLEM
    headers = AGE if row.safe else COMMAND_ID
    answers = set(STATUS.values()) - (WITHOUT_ROUTE if row.body else WITHOUT_BODY)
    own = CACHE_CONTROL if row.safe else IDEMPOTENCY_KEY
    content = {JSON: {"schema": result, "examples": examples.named(examples.answers(row.name))}}
    return {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [row.collection],
        "security": security.requirements(row.access),
        "parameters": [PROVIDER, *(_parameter(row, field, of_fields) for field in fields), own],
        "responses": {
            "200": {"description": "Done.", "headers": headers, "content": content},
            **{f"{s}": {"$ref": f"#/components/responses/{problem}{s}"} for s in sorted(answers)},
        },
    }


def _parameter(row: Row, field: Any, of_fields: dict[str, Any]) -> dict[str, Any]:
    values = {
        platform: request[field.encode_name]
        for platform, request in examples.requests(row.name).items()
        if field.encode_name in request
    }
    if field.name == "labels":
        entries = {
            platform: [f"{key}={value}" for key, value in labels.items()]
            for platform, labels in values.items()
        }
        return {**LABELS, "required": field.required, "examples": examples.named(entries)}
    in_path = field.name in row.path_fields
    # None is the default of an absent parameter; a URL cannot contain it.
    schema = of_fields[field.name].get("anyOf", [of_fields[field.name]])[0]
    described = {
        "name": field.encode_name,
        "in": "path" if in_path else "query",
        "required": in_path or field.required,
        "description": MEANINGS.get(field.name) or describe(field.type) or "",
        "schema": schema,
    }
    return described | ({"examples": examples.named(values)} if values else {})


def _body(
    operation: type[Operation[Any]],
    of_fields: dict[str, Any],
    taken: dict[str, Any],
    schemas: Schemas,
) -> dict[str, Any]:
    """Return the request body: one field of the operation, or an object of several fields."""
    body = operation.row.body
    values = examples.requests(operation.row.name)
    if isinstance(body, str):
        bodies = {platform: request[body] for platform, request in values.items()}
        return {"schema": taken, "examples": examples.named(bodies)}
    properties = {name: of_fields[name] for name in body}
    named = f"{operation.__name__}Body"
    whole = {
        "title": named,
        "type": "object",
        "properties": properties,
        "required": list(body),
    }
    bodies = {
        platform: {name: request[name] for name in body} for platform, request in values.items()
    }
    return {"schema": schemas.put(named, whole), "examples": examples.named(bodies)}


def _response(status: HTTPStatus, *, of_command: bool) -> dict[str, Any]:
    codes = " or ".join(f"`{code}`" for code in Code if STATUS[code] is status)
    described: dict[str, Any] = {
        "description": f"A problem of RFC 9457; `code` is {codes}.",
        "content": {
            PROBLEM_JSON: {
                "schema": {"$ref": REFERENCE.format(name="Problem")},
                "examples": {
                    name: example
                    for code in Code
                    if STATUS[code] is status
                    for name, example in examples.problems(code, of_command=of_command).items()
                },
            }
        },
    }
    headers: dict[str, Any] = (COMMAND_ID if of_command else {}) | security.headers(status)
    if status in NOT_ATTEMPTED:
        described["description"] += " Nothing was attempted and nothing will be."
        headers["Retry-After"] = {
            "description": "The delay in seconds before a retry.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    if headers:
        described["headers"] = headers
    if status is HTTPStatus.GATEWAY_TIMEOUT:
        described["description"] += " The operation may have had an effect; a retry has one effect."
    return described


def _own_paths() -> dict[str, Any]:
    status = _own("status", "Liveness of the gateway.", "GatewayStatus", {"200": "Alive."})
    ready = _own(
        "ready",
        "Readiness of the gateway: the broker and the attached workers. For subjects with any "
        "right, if the gateway authenticates its clients.",
        "Readiness",
        {
            "200": "The broker is reachable.",
            "503": "The broker is not reachable, for the reason in `broker.reason`, or the gateway "
            "is being stopped: `status` is `draining`. Or a problem: the keys of JSON Web Tokens "
            "are not known yet.",
        },
    )
    ready["security"] = security.requirements()
    for refused in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        ready["responses"][f"{refused}"] = {"$ref": f"#/components/responses/Problem{refused}"}
    unavailable = _response(HTTPStatus.SERVICE_UNAVAILABLE, of_command=False)["content"]
    ready["responses"]["503"]["content"] |= unavailable
    return {"/status": {"get": status}, "/ready": {"get": ready}}


def _own(name: str, summary: str, shape: str, answers: dict[str, str]) -> dict[str, Any]:
    responses = {
        status: {
            "description": text,
            "content": {
                JSON: {
                    "schema": {"$ref": REFERENCE.format(name=shape)},
                    "examples": {"any": {"value": examples.RECORDED.pages.get(f"{name}-{status}")}},
                }
            },
        }
        for status, text in answers.items()
    }
    return {"operationId": name, "summary": summary, "tags": ["self"], "responses": responses}
