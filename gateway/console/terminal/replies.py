"""The reply to an operation for an operator: tables, JSON, or the error of the reply."""

from http import HTTPStatus
from typing import Any

import click
import msgspec

from contracts.operation import Row
from contracts.printable import printable_json
from contracts.wire import Reply
from gateway.console.failures import Failure
from gateway.console.terminal.output import note
from gateway.console.terminal.resources import print_resources


class Unsuccessful(msgspec.Struct, frozen=True):
    """The members of an error body that are shown; a newer worker may have other codes."""

    code: str = "internal"
    message: str = "the reply has no message"


def print_reply(row: Row, reply: Reply, *, as_json: bool) -> None:
    """Print a reply; raise Failure with code and message for an error, whose JSON is printed."""
    if as_json:
        click.echo(printable_json(reply.body.decode("utf-8", "replace")))
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise failure_of(reply)
    body = msgspec.json.decode(reply.body)
    if not as_json:
        print_resources(row.collection, body)
    for warning in warnings_of(body):
        note(f"warning: {warning}")


def failure_of(reply: Reply) -> Failure:
    """Return the failure that an error is."""
    try:
        problem = msgspec.json.decode(reply.body, type=Unsuccessful)
    except msgspec.DecodeError:
        problem = Unsuccessful()
    return Failure(f"{reply.status} {problem.code}: {problem.message}")


def warnings_of(body: Any) -> list[str]:
    """Return the warnings in the result of a command."""
    found = body.get("warnings") if isinstance(body, dict) else None
    return [str(each) for each in found] if isinstance(found, list) else []
