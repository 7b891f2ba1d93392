"""The table of dead letters."""

import sys

from contracts.command_ids import SHORT, time_in
from gateway.console.dead.letters import DeadLetter
from gateway.console.output import print_table, utc

HEADER = ("DIED", "ID", "OPERATION", "KEY", "REASON")


def print_letters(letters: list[DeadLetter]) -> None:
    """Print one line for each letter; on a terminal, ids and texts are cut."""
    if letters:
        print_table(HEADER, [_row(each) for each in letters], flexible=(2, 3, 4))


def _row(letter: DeadLetter) -> tuple[str, ...]:
    moment, identity = utc(letter.died), letter.id
    if sys.stdout.isatty() and letter.died is not None:
        moment = f"{letter.died:%m-%d %H:%M}"
    if sys.stdout.isatty():
        # The first digits of an id of a gateway are its time.
        identity = identity[: SHORT if time_in(identity) else SHORT // 2]
    return (moment, identity, letter.operation, letter.key, letter.reason)
