"""`machinist dead list`: the dead letters, oldest first."""

import click

from contracts.broker.connection import Connection
from contracts.wire import Message
from gateway.console.broker import on_broker
from gateway.console.command_line import command as console_command
from gateway.console.dead.letters import DeadLetter, dead, show_dead
from gateway.console.output import json_option, note, print_json, print_table, utc

MAX_DEAD = 10_000


@console_command("list", example="dead list -n 20")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, MAX_DEAD),
    default=100,
    show_default=True,
    help="The maximal number of dead letters.",
)
@json_option
def command(number: int, as_json: bool) -> None:
    """List the oldest dead letters.

    The messages stay in the queue; each run counts as a delivery, and the queue allows a million
    deliveries. Times are in UTC.
    """
    found: list[DeadLetter] = []
    total = 0

    async def collect(connection: Connection) -> None:
        nonlocal total
        found.clear()

        def add(message: Message) -> None:
            found.append(dead(message))

        total = await show_dead(connection, add, number)

    on_broker("dead list", collect)
    if as_json:
        for each in found:
            print_json(each)
    else:
        header = ("ASKED", "ID", "OPERATION", "KEY", "BY", "QUEUE", "REASON")
        print_table(header, [_row(each) for each in found], flexible=(1, 3, 5, 6))
    note(f"{total:,} dead, {len(found):,} shown")


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        utc(letter.asked),
        letter.id,
        letter.operation,
        letter.key,
        letter.user or "-",
        letter.queue or "-",
        letter.reason,
    )
