"""The AsyncAPI 3 document, derived from the table: all messages on the broker."""

from typing import Any

from contracts import VERSION, topology
from contracts.address import SLOTS
from contracts.api import OPERATIONS
from contracts.documents.asyncapi_messages import (
    AMQP,
    DEAD,
    HEADERS,
    PROBLEM,
    dead,
    outcome,
    problem,
    reply,
    reply_name,
    request,
)
from contracts.documents.schemas import Schemas
from contracts.faults import Problem
from contracts.outcomes import OUTCOME, Outcome, Result
from contracts.wire import JSON

DESCRIPTION = """\
Requests to compute platforms, and their replies, over RabbitMQ, from the requester's point of view.

A request is published with the properties `type` (the operation), `message_id` (unique for each
publish), `reply_to` and `correlation_id` if a reply is wanted, and `expiration`, the time until the
deadline in milliseconds. The reply has the same `correlation_id`.

Every command ends with one outcome; its `id` is the `message_id` of the command. The stream
`machinist.audit` keeps the outcomes, with the requests."""

SERVERS = {
    "broker": {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "The broker of gateways, workers and producers; amqps with TLS.",
        "variables": {"host": {"default": "localhost:5672"}},
    }
}

PARAMETERS = {
    "result": {
        "description": "The result of the command.",
        "enum": [str(result) for result in Result],
    },
    "provider": {
        "description": "The name under which the workers of the platform are attached.",
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
OUTCOME_KEY = "{result}.{provider}.{address}"

FROM_PRODUCERS = [name for name, op in OPERATIONS.items() if op.row.from_producers]
COLLAPSES = [
    f"`{op.row.collapses}` ({name})" for name, op in OPERATIONS.items() if op.row.collapses
]

EVENTS_RULES = f"""\
The only exchange that producers publish to. The property `user_id` is required, and the broker
checks it. Every producer may publish {" and ".join(FROM_PRODUCERS)}; the
workers' configuration may allow further commands to single users. A message that can never be run
is moved to `machinist.dead`, for instance a message with a header `CC` or `requested-by`, and each
copy that `BCC` creates. The newest of the waiting events of an address supersedes the others if
they differ only in {", ".join(COLLAPSES)} and have neither
`reply_to` nor an idempotency key."""


def document() -> dict[str, Any]:
    """Return the whole document."""
    queries = [name for name, operation in OPERATIONS.items() if operation.row.safe]
    commands = [name for name in OPERATIONS if name not in queries]
    schemas, payloads, results = _schemas()
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
            "replies": _replies([*map(reply_name, OPERATIONS), PROBLEM]),
            "outcomes": _channel(topology.OUTCOMES, OUTCOME_KEY, [OUTCOME]),
            "dead": _dead(),
        },
        "operations": {
            **{
                name: _sends("queries", operation.row.summary, [name], persistent=False)
                if name in queries
                else _sends("commands", operation.row.summary, [name], persistent=True)
                for name, operation in OPERATIONS.items()
            },
            "event": _sends("events", EVENTS_RULES, commands, persistent=True),
            "follow": _receives("outcomes", "Follow the outcomes of commands.", OUTCOME),
            "look": _receives(
                "dead", "Read messages that can never be run, and the reasons.", DEAD
            ),
        },
        "components": {
            "schemas": {**dict(sorted(schemas.components.items())), **HEADERS},
            "messages": {
                **{name: request(OPERATIONS[name], payloads[name]) for name in OPERATIONS},
                **{reply_name(name): reply(name, results[name]) for name in OPERATIONS},
                PROBLEM: problem(),
                OUTCOME: outcome(),
                DEAD: dead(),
            },
        },
    }


def _schemas() -> tuple[Schemas, dict[str, Any], dict[str, Any]]:
    """Return all schemas, the schemas of the operations, and the schemas of their results."""
    operations = OPERATIONS.values()
    gives = [operation.row.gives for operation in operations]
    takes = [operation.row.takes for operation in operations]
    schemas = Schemas([*operations, *gives, *takes, Problem, Outcome])
    found = iter(schemas)
    payloads = dict(zip(OPERATIONS, found, strict=False))
    results = dict(zip(OPERATIONS, found, strict=False))
    for operation, body in zip(operations, found, strict=False):
        if operation.row.takes is not None:
            schemas.components[operation.__name__]["properties"][operation.row.body] = body
    return schemas, payloads, results


def _channel(exchange: str, key: str, names: list[str]) -> dict[str, Any]:
    return {
        "address": key,
        "title": exchange,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {name: text for name, text in PARAMETERS.items() if f"{{{name}}}" in key},
        "bindings": {"amqp": _exchange(exchange, "topic")},
    }


def _replies(names: list[str]) -> dict[str, Any]:
    return {
        "address": None,
        "title": topology.REPLIES,
        "description": "Replies are published under the `reply_to` of the request.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"amqp": _exchange(topology.REPLIES, "direct")},
    }


def _dead() -> dict[str, Any]:
    return {
        "address": topology.DEAD,
        "title": topology.DEAD,
        "description": "A queue for operators; every read counts as a delivery.",
        "messages": {DEAD: {"$ref": f"#/components/messages/{DEAD}"}},
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": topology.DEAD, "durable": True, "autoDelete": False},
                **AMQP,
            }
        },
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
            "messages": [
                {"$ref": f"#/channels/replies/messages/{name}"}
                for name in [*map(reply_name, names), PROBLEM]
            ],
        },
    }


def _receives(channel: str, summary: str, name: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"}],
    }
