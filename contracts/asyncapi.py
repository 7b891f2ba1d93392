"""The AsyncAPI 3 document, derived from the table: what flows over the broker, for any client."""

from typing import Any

from contracts import CONTRACT, VERSION, topology, wire
from contracts.address import SLOTS
from contracts.api import OPERATIONS
from contracts.faults import Problem
from contracts.operation import Operation, Row
from contracts.schemas import REFERENCE, example_of, schemas
from contracts.seal import SEALED
from contracts.wire import JSON

AMQP = {"bindingVersion": "0.3.0"}

DESCRIPTION = """\
Requests to compute platforms, and their replies, over RabbitMQ; told from the side of who asks.

A request is published with the properties `type` (the operation), `message_id` (unique for each
publish), `reply_to` and `correlation_id` where a reply is wanted, and `expiration`, the time until
the deadline in milliseconds. The reply has the same `correlation_id`."""

SERVERS = {
    "broker": {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "The broker of gateways, workers and producers; amqps where it has TLS.",
        "variables": {"host": {"default": "localhost:5672"}},
    }
}

HEADERS = {
    "RequestHeaders": {
        "type": "object",
        "properties": {
            wire.HEADER_CONTRACT: {
                "type": "integer",
                "const": CONTRACT,
                "description": "Of the messages; a worker refuses one that it does not speak.",
            },
            wire.HEADER_DEADLINE: {
                "type": "integer",
                "description": "Nothing starts later: milliseconds of the Unix epoch.",
            },
            wire.HEADER_TRACEPARENT: {"type": "string", "description": "W3C trace context."},
            wire.HEADER_IDEMPOTENCY_KEY: {"type": "string"},
            wire.HEADER_REQUESTED_BY: {"type": "string", "description": "For the audit."},
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
}

PARAMETERS = {
    "provider": {
        "description": "The name that the platform's workers are attached under.",
        "examples": ["k8s"],
    },
    "slot": {
        "description": f"CRC-32 of the UTF-8 address modulo {SLOTS}.",
        "enum": [str(slot) for slot in range(SLOTS)],
    },
    "address": {
        "description": "`<collection>.<scope>.<name>`, or `<collection>.<scope>` for a whole "
        "collection; scope and name are words of at most 80 of `[A-Za-z0-9_-]`.",
        "examples": ["controllers.default.hello"],
    },
}

QUERY_KEY = "{provider}.{address}"
COMMAND_KEY = "{provider}.{slot}.{address}"


def document() -> dict[str, Any]:
    """The whole document."""
    queries = [name for name, operation in OPERATIONS.items() if operation.row.safe]
    commands = [name for name in OPERATIONS if name not in queries]
    bodies, of_types = schemas([*OPERATIONS.values(), Problem])
    payloads = dict(zip(OPERATIONS, bodies, strict=False))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "machinist",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": SERVERS,
        "channels": {
            "queries": _channel(topology.QUERIES, QUERY_KEY, queries),
            "commands": _channel(topology.COMMANDS, COMMAND_KEY, commands),
            "events": _channel(topology.EVENTS, COMMAND_KEY, commands),
            "replies": _replies(),
        },
        "operations": {
            "query": _sends("queries", "Ask; any worker answers.", queries, persistent=False),
            "command": _sends(
                "commands",
                "Change something; commands to one address take effect in publish order.",
                commands,
                persistent=True,
            ),
            "event": _sends(
                "events",
                "Producers' only way in. The property `user_id` is required; what a user may send "
                "beside update_controller_replicas and set_machine_labels is configured.",
                commands,
                persistent=True,
            ),
        },
        "components": {
            "schemas": {**of_types, **HEADERS},
            "messages": {
                **{name: _message(OPERATIONS[name], payloads[name]) for name in OPERATIONS},
                "reply": _reply(),
            },
        },
    }


def _channel(exchange: str, key: str, names: list[str]) -> dict[str, Any]:
    return {
        "address": key,
        "title": exchange,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {name: text for name, text in PARAMETERS.items() if f"{{{name}}}" in key},
        "bindings": {"amqp": _exchange(exchange, "topic")},
    }


def _replies() -> dict[str, Any]:
    return {
        "address": None,
        "title": topology.REPLIES,
        "description": "Replies are published under the `reply_to` of the request.",
        "messages": {"reply": {"$ref": "#/components/messages/reply"}},
        "bindings": {"amqp": _exchange(topology.REPLIES, "direct")},
    }


def _exchange(name: str, kind: str) -> dict[str, Any]:
    return {
        "is": "routingKey",
        "exchange": {"name": name, "type": kind, "durable": True, "autoDelete": False},
        **AMQP,
    }


def _sends(channel: str, summary: str, names: list[str], *, persistent: bool) -> dict[str, Any]:
    return {
        "action": "send",
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
        "bindings": {
            "amqp": {"deliveryMode": 2 if persistent else 1, "mandatory": True, **AMQP},
        },
        "reply": {
            "address": {
                "location": "$message.header#/replyTo",
                "description": "The AMQP property `reply_to` of the request.",
            },
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": "#/channels/replies/messages/reply"}],
        },
    }


def _message(operation: type[Operation[Any]], payload: dict[str, Any]) -> dict[str, Any]:
    row = operation.row
    return {
        "name": row.name,
        "summary": row.summary,
        "description": f"The AMQP property `type` is `{row.name}`.{_sealing(row)}",
        "contentType": JSON,
        "headers": {"$ref": REFERENCE.format(name="RequestHeaders")},
        "payload": payload,
        "examples": [{"payload": example_of(operation)}],
        "bindings": {"amqp": {"messageType": row.name, **AMQP}},
    }


def _sealing(row: Row) -> str:
    if not row.seal:
        return ""
    always = f" One with something at `{row.secret}` has to be." if row.secret else ""
    return f" The body may be sealed (`content_type` {SEALED}).{always}"


def _reply() -> dict[str, Any]:
    return {
        "name": "reply",
        "summary": "The answer: its body is the HTTP body.",
        "contentType": JSON,
        "headers": {"$ref": REFERENCE.format(name="ReplyHeaders")},
        "payload": {
            "description": "With the status 200 the operation's result, else a problem.",
            "anyOf": [{}, {"$ref": REFERENCE.format(name="Problem")}],
        },
        "correlationId": {
            "location": "$message.header#/correlationId",
            "description": "The AMQP property `correlation_id`, that of the request.",
        },
    }
