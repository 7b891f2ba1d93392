"""`machinist audit tail`: prints the records of the audit as they arrive."""

from typing import Any

import click

from contracts.broker.connection import Connection
from contracts.broker.stream_reader import newest_message, offset, read_stream
from contracts.outcomes import Outcome
from contracts.printable import printable
from contracts.wire import Message
from gateway.audit.entries import entry
from gateway.audit.filters import Filters, time_of
from gateway.audit.stream import BATCH
from gateway.audit.text import COLOURS, clock, requester, what
from gateway.console.audit.options import filter_options, filters_of
from gateway.console.broker import on_broker
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json

RESULT_WIDTH = 10


@console_command("tail", example="audit tail --provider k8s --scope default")
@filter_options
@json_option
def command(as_json: bool, **conditions: Any) -> None:
    """Print a line for each new record, until Ctrl-C: one at the start and one at the end.

    With --since, begin with the records since then. A lost connection is replaced, and no record is
    left out.
    """
    on_broker("audit tail", Tail(filters_of(conditions), as_json=as_json).run)


class Tail:
    """Prints records, also over several connections."""

    def __init__(self, filters: Filters, *, as_json: bool) -> None:
        """Begin at the time `since` of the filters, else at the end of the stream."""
        self._filters = filters
        self._as_json = as_json
        self._next: int | None = None

    async def run(self, connection: Connection) -> None:
        """Print until cancelled."""
        if self._next is None and self._filters.since is None:
            newest = await newest_message(connection)
            self._next = 0 if newest is None else offset(newest) + 1
            note(f"waiting for records after {self._next:,} known")
        start = self._filters.since if self._next is None else self._next
        assert start is not None
        async with read_stream(connection, start, BATCH) as audit:
            while True:
                messages, is_end = await audit.read()
                for message in messages:
                    self._print(message)
                    self._next = offset(message) + 1
                if is_end:
                    await audit.wait()

    def _print(self, message: Message) -> None:
        if not self._filters.may_match(message):
            return
        found = entry(message)
        if found is None:
            note(f"an outcome that cannot be read, published by {message.app_id!r}")
        elif not self._filters.match(found.outcome):
            return
        elif self._as_json:
            print_json(found.outcome)
        else:
            click.echo(line(found.outcome))


def line(outcome: Outcome) -> str:
    """Return a record as a line; the result has a colour on a terminal."""
    result = click.style(outcome.result.ljust(RESULT_WIDTH), fg=COLOURS[outcome.result])
    rest = " ".join(
        (outcome.id, outcome.provider, outcome.address, what(outcome), f"by {requester(outcome)}")
    )
    return f"{clock(time_of(outcome))} {result} {printable(rest)}"
