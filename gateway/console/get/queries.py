"""The commands of `machinist get`, derived from the queries of the table."""

from typing import Any

from contracts.api import OPERATIONS
from contracts.operation import Operation
from gateway.console.calls import reply_to
from gateway.console.terminal.command_line import Command
from gateway.console.terminal.operations import built, example, parameters
from gateway.console.terminal.output import json_option
from gateway.console.terminal.replies import print_reply
from gateway.console.terminal.values import provider_option


def noun(operation: type[Operation[Any]]) -> str:
    """Return `machines` for a query of a collection, `machine` for a query of one resource."""
    row = operation.row
    return row.collection if row.subject is None else row.collection.removesuffix("s")


NOUNS = {noun(operation): operation for operation in OPERATIONS.values() if operation.row.safe}


def query_command(name: str, operation: type[Operation[Any]]) -> Command:
    """Return the command of a query."""

    def run(provider: str, as_json: bool, **values: Any) -> None:
        reply = reply_to(f"get {name}", provider, built(operation, values))
        print_reply(operation.row, reply, as_json=as_json)

    command = Command(
        name,
        callback=run,
        params=parameters(operation),
        help=operation.row.summary,
        example=f"get {name} {example(operation)}",
    )
    return json_option(provider_option(command))
