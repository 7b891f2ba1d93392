"""`machinist dead list`: the dead letters, oldest first."""

import click

from contracts.broker.connection import Connection
from gateway.console.broker import on_broker
from gateway.console.dead.letters import Filter
from gateway.console.dead.options import filter_options
from gateway.console.dead.queue import Letter, select
from gateway.console.dead.table import print_letters
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json, progress

MAX_DEAD = 10_000


@console_command("list", example="dead list -n 20 --reason 'routing key'")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, MAX_DEAD),
    default=100,
    show_default=True,
    help="The maximal number of dead letters.",
)
@filter_options
@json_option
def command(number: int, as_json: bool, **conditions: str) -> None:
    """List the oldest dead letters.

    Times of death are in UTC; letters of earlier versions have none. All letters stay in the queue.
    """
    found: list[Letter] = []
    total = 0

    async def look(connection: Connection) -> None:
        nonlocal found, total
        with progress("letters read") as show:
            found, total = await select(connection, Filter((), **conditions), number, show)

    on_broker("dead list", look)
    if as_json:
        for each in found:
            print_json(each.shown)
    else:
        print_letters([each.shown for each in found])
    note(f"{total:,} dead, {len(found):,} shown")
