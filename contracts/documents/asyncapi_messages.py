"""The messages of the AsyncAPI document, with their properties and headers."""

from typing import Any

from contracts import CONTRACT, outcomes, wire
from contracts.documents import examples
from contracts.documents.schemas import REFERENCE
from contracts.faults import PROBLEM_JSON, Code
from contracts.operation import Operation, Row
from contracts.outcomes import OUTCOME
from contracts.records import dead_letters
from contracts.seal import SEALED
from contracts.wire import JSON

AMQP = {"bindingVersion": "0.3.0"}
DEAD = "dead"
PROBLEM = "problem"

_CONTRACT = {
    "type": "integer",
    "const": CONTRACT,
    "description": "The version of the messages; a worker refuses a version that it does not know.",
}
_TRACEPARENT = {"type": "string", "description": "W3C trace context."}
_NEVER = {"not": {}, "description": "A message with this header is never run; its result is dead."}

_OF_REQUESTS = {
    wire.HEADER_CONTRACT: _CONTRACT,
    wire.HEADER_DEADLINE: {
        "type": "integer",
        "description": "The latest start, in milliseconds of the Unix epoch.",
    },
    wire.HEADER_TRACEPARENT: _TRACEPARENT,
    wire.HEADER_TRACESTATE: {
        "type": "string",
        "maxLength": 512,
        "description": "W3C trace context; ignored without a valid traceparent.",
    },
    wire.HEADER_IDEMPOTENCY_KEY: {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": "Printable characters; for commands. A command with the same key, address "
        "and operation within 10 minutes is not run again: the worker that owns the slot repeats "
        "the first reply from its cache (10000 keys). The same key with another operation is "
        "refused as invalid. Replies with 429, or with 5xx other than 501, are not cached.",
    },
    wire.HEADER_RETRIES: {
        "type": "string",
        "maxLength": 255,
        "description": "The id of the dead command that this command repeats (`machinist dead "
        "retry`); the audit has it in the request.",
    },
    wire.HEADER_REPLAY_OF: {
        "type": "string",
        "maxLength": 255,
        "description": "The id of the command in the audit that this command replays (`machinist "
        "audit replay`); the audit has it in the request.",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "RequestHeaders": {
        "type": "object",
        "properties": {
            **_OF_REQUESTS,
            wire.HEADER_REQUESTED_BY: {
                "type": "string",
                "description": "The client of the gateway. Only gateways may set it, on "
                "machinist.commands; an event with this header is never run, its result is dead.",
            },
            wire.HEADER_VERSIONS: {
                "type": "string",
                "description": "For queries: the resource versions that the answer must include, "
                "such as `deployments=105,pods=107`, or on ECS the numbers of ended commands. "
                "Without this header a query is answered by the platform itself.",
            },
            wire.HEADER_MAX_AGE: {
                "type": "integer",
                "minimum": 0,
                "description": "For queries: the greatest age of the answer in milliseconds.",
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
                "description": "Seconds; set with 429 and 503, when nothing was attempted.",
            },
            wire.HEADER_WORKER: {"type": "string", "description": "The worker that replied."},
            wire.HEADER_VERSIONS: {
                "type": "string",
                "description": "The resource versions that the answer to a query shows; `*` stands "
                "for all types that it does not name.",
            },
            wire.HEADER_AGE: {
                "type": "integer",
                "description": "The age in milliseconds of an answer from a local copy.",
            },
        },
        "required": [wire.HEADER_STATUS],
    },
    "OutcomeHeaders": {
        "type": "object",
        "description": "Attributes of CloudEvents 1.0, under the names of its AMQP binding.",
        "properties": {
            wire.HEADER_CONTRACT: _CONTRACT,
            wire.HEADER_TRACEPARENT: _TRACEPARENT,
            outcomes.HEADER_STREAM_FILTER: {
                "type": "string",
                "description": "The address, for readers of the stream that filter its chunks.",
            },
            **{
                f"{outcomes.CLOUD_EVENTS}{name}": {"type": "string", "description": description}
                for name, description in {
                    "specversion": "`1.0`",
                    "id": "The id of the command, with the suffix `/started` in a record `started`",
                    "source": "`/machinist/<provider>`",
                    "type": "`machinist.command.<result>`",
                    "subject": "The address",
                    "time": "The time of the command's end or start",
                }.items()
            },
            **{
                name: {"type": "string", "description": description}
                for name, description in zip(
                    outcomes.HEADERS_AT_A_GLANCE,
                    (
                        "The requester. Like the next headers, for people and in final records.",
                        "The operation, its provider and address, its result and status.",
                        "The state before the command, as JSON.",
                        "The state after the command, as JSON.",
                        "The reason, unless the result is done.",
                    ),
                    strict=True,
                )
            },
        },
    },
    "DeadHeaders": {
        "type": "object",
        "properties": {
            dead_letters.HEADER_REASON: {
                "type": "string",
                "description": "The reason why the command can never be run.",
            },
            dead_letters.HEADER_QUEUE: {
                "type": "string",
                "description": "The queue that contained the command.",
            },
            dead_letters.HEADER_USER: {
                "type": "string",
                "description": "The broker user that published the command.",
            },
            dead_letters.HEADER_DIED: {
                "type": "string",
                "format": "date-time",
                "description": "The time of death.",
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
    always = f" It must be sealed if it has a value at `{row.secret}`." if row.secret else ""
    return f" The body may be sealed (`content_type` {SEALED}).{always}"


def reply_name(name: str) -> str:
    """Return the name of the reply to an operation."""
    return f"{name}_reply"


def reply(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to an operation that succeeded."""
    summary = f"The reply to {name}: its body is the HTTP body."
    return _answer(reply_name(name), summary, result) | {
        "description": "The reply to a sealed request is sealed with the same key "
        f"(`content_type` {SEALED}).",
        "examples": [
            {"name": platform, "headers": {wire.HEADER_STATUS: 200}, "payload": answer}
            for platform, answer in examples.answers(name).items()
        ],
    }


def problem() -> dict[str, Any]:
    """Return the reply to an operation that failed."""
    schema = {"$ref": REFERENCE.format(name="Problem")}
    return _answer(PROBLEM, "The reply to an operation that failed; never sealed.", schema) | {
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
            "description": "The AMQP property `correlation_id` of the request.",
        },
    }


def outcome() -> dict[str, Any]:
    """Return the message with the outcome of a command."""
    return {
        "name": OUTCOME,
        "summary": "A record of the start or the end of a command.",
        "description": "After a crash, records with the same id may appear twice; the first record "
        "that is not `started` counts. The request is in the record `started`, or in the final "
        "record of a command that was never started.",
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
        "payload": {"description": "The published body, which may be malformed."},
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
