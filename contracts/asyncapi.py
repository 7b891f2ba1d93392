"""The AsyncAPI 3 document, derived from the table: what flows over the broker, for any client."""

from typing import Any

import msgspec

from contracts import CONTRACT, VERSION, topology
from contracts.address import SLOTS
from contracts.api import OPERATIONS
from contracts.faults import Problem
from contracts.operation import Row
from contracts.seal import SEALED
from contracts.wire import JSON

SCHEMAS = "#/components/schemas/{name}"

HEADERS = {
    "type": "object",
    "properties": {
        "contract": {"type": "integer", "const": CONTRACT},
        "deadline": {"type": "integer", "description": "Unix epoch in milliseconds"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
    },
}
REPLY_HEADERS = {
    "type": "object",
    "properties": {
        "status": {"type": "integer", "description": "the HTTP status"},
        "retry-after": {"type": "integer", "description": "seconds"},
        "worker": {"type": "string"},
    },
    "required": ["status"],
}
PROVIDER = {"description": "The name that the platform's workers are attached under."}
ADDRESS = {"description": "`<collection>.<scope>.<name>`, each a word of at most 80 characters."}
SLOT = {
    "description": f"CRC-32 of the UTF-8 address modulo {SLOTS}.",
    "enum": [str(slot) for slot in range(SLOTS)],
}


def document() -> dict[str, Any]:
    """The whole document."""
    rows = {name: operation.row for name, operation in OPERATIONS.items()}
    queries = [name for name, row in rows.items() if row.safe]
    commands = [name for name, row in rows.items() if not row.safe]
    bodies, schemas = msgspec.json.schema_components(
        [*OPERATIONS.values(), Problem], ref_template=SCHEMAS
    )
    payloads = dict(zip(OPERATIONS, bodies, strict=False))
    channels = {
        "queries": _channel(topology.QUERIES, "{provider}.{address}", queries),
        "commands": _channel(topology.COMMANDS, "{provider}.{slot}.{address}", commands),
        "events": _channel(topology.EVENTS, "{provider}.{slot}.{address}", commands),
        "replies": _replies(),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "machinist",
            "version": VERSION,
            "description": "Requests to compute platforms, and their replies, over RabbitMQ.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": channels,
        "operations": {
            "query": _sends("queries", queries),
            "command": _sends("commands", commands),
            "event": _sends("events", commands),
        },
        "components": {
            "schemas": schemas,
            "messages": {
                **{name: _message(row, payloads[name]) for name, row in rows.items()},
                "reply": _reply_message(),
            },
        },
    }


def _channel(exchange: str, key: str, names: list[str]) -> dict[str, Any]:
    parameters = {"provider": PROVIDER, "slot": SLOT, "address": ADDRESS}
    return {
        "address": key,
        "title": exchange,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {name: text for name, text in parameters.items() if f"{{{name}}}" in key},
        "bindings": {"amqp": _binding(exchange, "topic")},
    }


def _replies() -> dict[str, Any]:
    return {
        "address": None,
        "title": topology.REPLIES,
        "description": "Published under the `reply_to` of the request.",
        "messages": {"reply": {"$ref": "#/components/messages/reply"}},
        "bindings": {"amqp": _binding(topology.REPLIES, "direct")},
    }


def _binding(exchange: str, kind: str) -> dict[str, Any]:
    return {
        "is": "routingKey",
        "exchange": {"name": exchange, "type": kind, "durable": True, "autoDelete": False},
        "bindingVersion": "0.3.0",
    }


def _sends(channel: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
        "reply": {
            "address": {"location": "$message.header#/replyTo"},
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": "#/channels/replies/messages/reply"}],
        },
    }


def _message(row: Row, payload: dict[str, Any]) -> dict[str, Any]:
    sealed = f" The body may be sealed ({SEALED})." if row.seal else ""
    return {
        "name": row.name,
        "summary": row.summary,
        "description": f"AMQP property `type` is `{row.name}`.{sealed}",
        "contentType": JSON,
        "headers": HEADERS,
        "payload": payload,
        "bindings": {"amqp": {"messageType": row.name, "bindingVersion": "0.3.0"}},
    }


def _reply_message() -> dict[str, Any]:
    return {
        "name": "reply",
        "summary": "The answer: its body is the HTTP body.",
        "contentType": JSON,
        "headers": REPLY_HEADERS,
        "payload": {"description": "The operation's result, or a Problem."},
        "correlationId": {"location": "$message.header#/correlationId"},
    }
