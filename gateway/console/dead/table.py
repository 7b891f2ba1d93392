"""The table of dead letters."""

import sys

from contracts.records.command_ids import SHORT, time_in
from gateway.console.dead.letters import DeadLetter
from gateway.console.terminal.output import print_table, utc

HEADER = ("DIED", "ID", "OPERATION", "KEY", "REASON")


def print_letters(letters: list[DeadLetter]) -> None:
    """Print one line for each letter; on a terminal, times, ids, keys and texts are cut."""
    if letters:
        print_table(HEADER, [_row(each) for each in letters], flexible=(2, 3, 4))


def _row(letter: DeadLetter) -> tuple[str, ...]:
    if not sys.stdout.isatty():
        return (utc(letter.died), letter.id, letter.operation, letter.key, letter.reason)
    moment = "-" if letter.died is None else f"{letter.died:%m-%d %H:%M}"
    scope_and_name = letter.key.split(".", 3)[-1]
    return (moment, short(letter.id), letter.operation, scope_and_name, letter.reason)


def short(identity: str) -> str:
    """Return the beginning of an id for a terminal; an id of a gateway begins with its time."""
    return identity[: SHORT if time_in(identity) else SHORT // 2]
