"""`machinist dead drop`: removes dead letters, and prints them."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from contracts.broker.connection import Connection
from contracts.printable import printable_json
from gateway.console.broker import on_broker
from gateway.console.dead.letters import DeadLetter, dead, fingerprint
from gateway.console.dead.options import confirmed, selected, selection_options
from gateway.console.dead.queue import find, open_letters
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import note


@console_command(
    "drop",
    example="""
        dead drop 019ad2c0f1e07a3b --yes
        dead drop --all --operation delete_service --save dropped.jsonl --yes
    """,
)
@selection_options
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the letters to this new file, not to standard output.",
)
def command(
    ids: tuple[str, ...], is_all: bool, yes: bool, save: Path | None, **conditions: str
) -> int:
    """Remove dead letters from the queue, and print each one as a line of JSON.

    Each letter is printed before it is removed. Nothing else keeps it: the audit has the command
    with the result `dead`, but no record of the removal.
    """
    wanted = selected(ids, is_all=is_all, **conditions)
    found = find("dead drop", wanted)
    if not found:
        return 0
    shown = [each.shown for each in found]
    if not confirmed(f"Remove {len(found):,} dead letters?", shown, yes=yes):
        return 1
    with ExitStack() as closing:
        output = Output(closing, save)
        dropping = Dropping({fingerprint(each.message) for each in found}, output)
        on_broker("dead drop", dropping.run)
    note(f"{len(dropping.printed):,} dropped")
    return 0


class Output:
    """The output of dropped letters, which reaches the disk before a letter is removed."""

    def __init__(self, closing: ExitStack, path: Path | None) -> None:
        """Raise UsageError if the file exists or cannot be written."""
        self._file = sys.stdout
        self._is_kept = path is not None
        if path is not None:
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                raise click.UsageError(
                    f"--save {path}: expected a new file: {error.strerror}"
                ) from error
            self._file = closing.enter_context(os.fdopen(handle, "w", encoding="utf-8"))

    def write(self, letter: DeadLetter) -> None:
        """Write a letter."""
        self._file.write(printable_json(msgspec.json.encode(letter).decode()) + "\n")
        self._file.flush()
        if self._is_kept:
            os.fsync(self._file.fileno())


class Dropping:
    """Removes the letters with these fingerprints; continues on the next connection."""

    def __init__(self, wanted: set[str], output: Output) -> None:
        self._wanted = wanted
        self._output = output
        self.printed: set[str] = set()

    async def run(self, connection: Connection) -> None:
        """Remove the letters."""
        async with open_letters(connection) as letters:
            async for delivery in letters:
                mark = fingerprint(delivery.message)
                if mark in self._wanted:
                    if mark not in self.printed:
                        self._output.write(dead(delivery.message))
                    self.printed.add(mark)
                    await letters.remove(delivery)
