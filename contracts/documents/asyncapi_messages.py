"""The messages of the AsyncAPI document, with their properties and headers."""

from typing import Any

from contracts import CONTRACT, dead_letters, outcomes, wire
from contracts.documents import examples
from contracts.documents.schemas import REFERENCE
from contracts.faults import PROBLEM_JSON, Code
from contracts.operation import Operation, Row
from contracts.outcomes import OUTCOME
from contracts.seal import SEALED
from contracts.wire import JSON

AMQP = {"bindingVersion": "0.3.0"}
DEAD = "dead"
PROBLEM = "problem"

_CONTRACT = {
    "type": "integer",
    "const": CONTRACT,
    "description": "Of the messages; a worker refuses one that it does not speak.",
}
_TRACEPARENT = {"type": "string", "description": "W3C trace context."}
_NEVER = {"not": {}, "description": "A message with it is never run, and ends as dead."}

_OF_REQUESTS = {
    wire.HEADER_CONTRACT: _CONTRACT,
    wire.HEADER_DEADLINE: {
        "type": "integer",
        "description": "Nothing starts later: milliseconds of the Unix epoch.",
    },
    wire.HEADER_TRACEPARENT: _TRACEPARENT,
    wire.HEADER_IDEMPOTENCY_KEY: {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": "Printable characters; of commands. One with the same key, address and "
        "operation within 10 minutes is not run again but answered as the first was, from the "
        "memory of the worker that owns the slot (10000 keys); the same key with another operation "
        "is refused as invalid. Ends with 429 or 5xx other than 501 are not remembered.",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "RequestHeaders": {
        "type": "object",
        "properties": {
            **_OF_REQUESTS,
            wire.HEADER_REQUESTED_BY: {
                "type": "string",
                "description": "Whom a gateway asks for; gateways alone may write it, and where "
                "they publish. In an event it makes the message dead.",
            },
            **dict.fromkeys(dead_letters.COPIES, _NEVER),
        },
    },
    "ReplyHeaders": {
        "type": "object",
        "properties": {
            wire.HEADER_STATUS: {"type": "integer", "description": "The HTTP status."},
            wire.HEADER_RETRY_AFTER: {
                "type": "integer",
                "description": "Seconds, with 429 and 503: nothing was attempted.",
            },
            wire.HEADER_WORKER: {"type": "string", "description": "Who answers."},
        },
        "required": [wire.HEADER_STATUS],
    },
    "OutcomeHeaders": {
        "type": "object",
        "description": "Attributes of CloudEvents 1.0, named as its AMQP binding does.",
        "properties": {
            wire.HEADER_CONTRACT: _CONTRACT,
            wire.HEADER_TRACEPARENT: _TRACEPARENT,
            **{
                f"{outcomes.CLOUD_EVENTS}{name}": {"type": "string", "description": description}
                for name, description in {
                    "specversion": "`1.0`",
                    "id": "The command's, with `/started` behind it for a record that is not final",
                    "source": "`/machinist/<provider>`",
                    "type": "`machinist.command.<result>`",
                    "subject": "The address",
                    "time": "When it finished or started",
                }.items()
            },
            **{
                name: {"type": "string", "description": description}
                for name, description in zip(
                    outcomes.HEADERS_AT_A_GLANCE,
                    (
                        "Who asked, for people; in final records only, as are the following.",
                        "The operation, its provider and address, its result and status.",
                        "What the command found, as JSON.",
                        "What the command left, as JSON.",
                        "Why it ended so, where it was not done.",
                    ),
                    strict=True,
                )
            },
        },
    },
    "DeadHeaders": {
        "type": "object",
        "properties": {
            dead_letters.HEADER_REASON: {"type": "string", "description": "Why nobody can run it."},
            dead_letters.HEADER_QUEUE: {"type": "string", "description": "Where it was found."},
            dead_letters.HEADER_USER: {
                "type": "string",
                "description": "The broker user it came from.",
            },
            **_OF_REQUESTS,
        },
        "required": [dead_letters.HEADER_REASON, dead_letters.HEADER_QUEUE],
    },
}


def request(operation: type[Operation[Any]], payload: dict[str, Any]) -> dict[str, Any]:
    """Return the message that requests an operation."""
    row = operation.row
    return {
        "name": row.name,
        "summary": row.summary,
        "description": f"The AMQP property `type` is `{row.name}`.{_sealing(row)}",
        "contentType": JSON,
        "headers": {"$ref": REFERENCE.format(name="RequestHeaders")},
        "payload": payload,
        "examples": [
            {"name": platform, "payload": asked}
            for platform, asked in examples.requests(row.name).items()
        ],
        "bindings": {"amqp": {"messageType": row.name, **AMQP}},
    }


def _sealing(row: Row) -> str:
    if not row.seal:
        return ""
    always = f" One with something at `{row.secret}` has to be." if row.secret else ""
    return f" The body may be sealed (`content_type` {SEALED}).{always}"


def reply_name(name: str) -> str:
    """Return the name of the reply to an operation."""
    return f"{name}_reply"


def reply(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to an operation that succeeded."""
    summary = f"The answer to {name}: its body is the HTTP body."
    return _answer(reply_name(name), summary, result) | {
        "description": "What was asked for sealed is answered sealed by the same key "
        f"(`content_type` {SEALED}).",
        "examples": [
            {"name": platform, "headers": {wire.HEADER_STATUS: 200}, "payload": answer}
            for platform, answer in examples.answers(name).items()
        ],
    }


def problem() -> dict[str, Any]:
    """Return the reply to an operation that failed."""
    schema = {"$ref": REFERENCE.format(name="Problem")}
    return _answer(PROBLEM, "The answer to an operation that failed; never sealed.", schema) | {
        "contentType": PROBLEM_JSON,
        "examples": [
            {
                "name": name,
                "headers": {wire.HEADER_STATUS: each["value"]["status"]},
                "payload": each["value"],
            }
            for code in Code
            for name, each in examples.problems(code, of_command=True).items()
        ],
    }


def _answer(name: str, summary: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "contentType": JSON,
        "headers": {"$ref": REFERENCE.format(name="ReplyHeaders")},
        "payload": payload,
        "correlationId": {
            "location": "$message.header#/correlationId",
            "description": "The AMQP property `correlation_id`, that of the request.",
        },
    }


def outcome() -> dict[str, Any]:
    """Return the message with the outcome of a command."""
    return {
        "name": OUTCOME,
        "summary": "A record of a command: that it is started, or how it ended.",
        "description": "After a crash the same id may come twice; the first record that is not "
        "`started` counts. `started` carries the request, and so does the final record of a "
        "command that was never started.",
        "contentType": JSON,
        "headers": {"$ref": REFERENCE.format(name="OutcomeHeaders")},
        "payload": {"$ref": REFERENCE.format(name="Outcome")},
        "examples": [{"name": "scaling", "payload": examples.RECORDED.outcome}],
        "correlationId": {
            "location": "$message.payload#/id",
            "description": "The AMQP property `message_id` of the command.",
        },
        "bindings": {"amqp": {"messageType": OUTCOME, **AMQP}},
    }


def dead() -> dict[str, Any]:
    """Return the message in the queue of dead letters."""
    return {
        "name": DEAD,
        "summary": "A message that can never be run, as it was published, and the reason.",
        "headers": {"$ref": REFERENCE.format(name="DeadHeaders")},
        "payload": {"description": "Whatever was published."},
        "examples": [
            {
                "name": "unknown operation",
                "headers": {
                    dead_letters.HEADER_REASON: "not_understood: operation 'launch' is unknown",
                    dead_letters.HEADER_QUEUE: "machinist.k8s.commands.3",
                },
                "payload": {"scope": "default"},
            }
        ],
    }
