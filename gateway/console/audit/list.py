"""`machinist audit list`: the newest commands that meet conditions, one line for each."""

import sys
from typing import Any

import click

from contracts.broker.connection import Connection
from contracts.outcomes import Outcome
from contracts.records.command_ids import SHORT, time_in
from gateway.audit.filters import time_of
from gateway.audit.search import Found, newest
from gateway.audit.text import COLOURS, clock, requester, what
from gateway.console.audit.options import filter_options, filters_of
from gateway.console.broker import on_broker
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import (
    counted,
    json_option,
    note,
    print_json,
    print_table,
    progress,
)

MOST = 10_000
HEADER = ("TIME", "RESULT", "ID", "PROVIDER", "ADDRESS", "BY", "WHAT")


@console_command(
    "list",
    example="""
        audit list --since 1d --result failed --result unknown
        audit list --scope default --name hello -n 5 --json
    """,
)
@click.option(
    "-n",
    "number",
    type=click.IntRange(1, MOST),
    default=50,
    show_default=True,
    help="The maximal number of commands.",
)
@filter_options
@json_option
def command(number: int, as_json: bool, **conditions: Any) -> None:
    """List the newest commands, one line for each.

    The audit is read from its end back until enough commands are found; the last line says how many
    records were read. Without a match all records since --since are read. In the texts of a filter
    `*` means any characters.
    """
    filters = filters_of(conditions)
    found = Found([], 0, 0)

    async def search(connection: Connection) -> None:
        nonlocal found
        with progress("records read") as show:
            found = await newest(connection, filters, number, show)

    on_broker("audit list", search)
    if as_json:
        for each in found.commands:
            print_json(each)
    elif found.commands:
        print_table(HEADER, [_row(each) for each in found.commands], (3, 4, 5, 6), COLOURS)
    note(_summary(found))


def _row(outcome: Outcome) -> tuple[str, ...]:
    moment, identity = clock(time_of(outcome)), outcome.id
    if sys.stdout.isatty():
        moment = f"{time_of(outcome):%m-%d %H:%M:%S}"
        identity = identity[:SHORT] if time_in(identity) else identity
    return (
        moment,
        outcome.result,
        identity,
        outcome.provider,
        outcome.address,
        requester(outcome),
        what(outcome),
    )


def _summary(found: Found) -> str:
    if not found.commands:
        return f"0 of {found.read:,} records match"
    return (
        f"{counted(len(found.commands), 'command')}; {found.read:,} of {found.total:,} records read"
    )
