"""A curl line that publishes a command as an event over RabbitMQ's HTTP API, from its example."""

import shlex
from typing import Any

import msgspec

from contracts import address, topology, wire
from contracts.api import OPERATIONS

PROVIDER = "k8s"

USER = "$RABBITMQ_USER"
ID = r"$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
EXPANDED = {"USER": USER, "ID": ID}
"""Parts of the message that the shell expands, by the words that stand for them."""

URL = f"$RABBITMQ_URL/api/exchanges/$RABBITMQ_VHOST/{topology.EVENTS}/publish"


def line(name: str, payload: dict[str, Any]) -> str | None:
    """Return the command line for an operation; None for a query, or if the body has a secret."""
    operation = wire.build(OPERATIONS[name], payload)
    row = operation.row
    if row.safe or (row.secret and address.find(operation, row.secret) is not None):
        return None
    message = {
        "routing_key": address.routing_key(PROVIDER, row, address.address(operation)),
        "payload": wire.encode(operation).decode(),
        "payload_encoding": "string",
        "properties": {
            "type": name,
            "message_id": "ID",
            "user_id": "USER",
            "content_type": wire.JSON,
            "delivery_mode": 2,
        },
    }
    data = shlex.quote(msgspec.json.encode(message).decode())
    for word, expansion in EXPANDED.items():
        data = data.replace(f'"{word}"', f'"{_outside(expansion)}"')
    return (
        f"curl --user \"{USER}:$RABBITMQ_PASSWORD\" --header 'Content-Type: {wire.JSON}' "
        f'--data {data} "{URL}"'
    )


def _outside(expansion: str) -> str:
    """Return an expansion that stands in a text in single quotes."""
    return f"""'"{expansion}"'"""
