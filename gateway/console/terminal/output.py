"""Output for people and for programs: tables, JSON, colours, progress."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

import click
import msgspec

from contracts.printable import printable, printable_json

GAP = "  "
LEAST = 8
"""The width to which a flexible column is cut before the others."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")

Row = Sequence[str]


def utc(moment: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "-" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(printable_json(msgspec.json.encode(value).decode()))


def note(text: str) -> None:
    """Print a remark for people to standard error."""
    click.echo(printable(text), err=True)


def print_fields(fields: Mapping[str, str]) -> None:
    """Print names and texts, one pair below the other; on a terminal, wrap long texts."""
    names = max(map(len, fields)) + len(GAP)
    room = shutil.get_terminal_size().columns - names if sys.stdout.isatty() else 0
    for name, value in fields.items():
        lines = [printable(line) for line in value.splitlines()] or [""]
        if room >= LEAST:
            lines = [part for line in lines for part in _wrapped(line, room)]
        for number, line in enumerate(lines):
            click.echo(f"{name if number == 0 else '':<{names}}{line}".rstrip())


def _wrapped(line: str, room: int) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(line, room, subsequent_indent=indent, drop_whitespace=False) or [""]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun; `s` or `es` makes the plural."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def print_table(
    header: Row,
    rows: Sequence[Row],
    flexible: Sequence[int] = (),
    colours: dict[str, str] | None = None,
) -> None:
    """Print rows under a header; on a terminal the `flexible` columns are cut to its width.

    In a pipe no text is cut. `colours` are the colours of whole texts, on a terminal.
    """
    rows = [[printable(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    if sys.stdout.isatty():
        _fit(widths, flexible, shutil.get_terminal_size().columns)
    click.echo(_line(header, widths, {}))
    for row in rows:
        click.echo(_line(row, widths, colours or {}))


def _fit(widths: list[int], flexible: Sequence[int], width: int) -> None:
    """Reduce the widest flexible column until the table has the width.

    If each of them is at LEAST, the widest of all columns is reduced.
    """
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        widest = max(flexible, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= LEAST:
            widest = max(range(len(widths)), key=lambda column: widths[column])
        if widths[widest] <= 1:
            return
        widths[widest] -= 1
        excess -= 1


def _line(row: Row, widths: Sequence[int], colours: dict[str, str]) -> str:
    cells = []
    for text, width in zip(row, widths, strict=True):
        cut = text if len(text) <= width else f"{text[: width - 1]}…"
        colour = colours.get(text)
        cells.append((click.style(cut, fg=colour) if colour else cut) + " " * (width - len(cut)))
    return GAP.join(cells).rstrip()


@contextmanager
def progress(label: str, *, beside_rows: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows `done` of `total` on standard error, if that is a terminal.

    `beside_rows`: rows are printed meanwhile; on the same terminal they show the progress.
    """
    is_shown = sys.stderr.isatty() and not (beside_rows and sys.stdout.isatty())
    last = ""

    def show(done: int, total: int) -> None:
        nonlocal last
        text = f"{label}: {done:,} of {total:,}"
        if is_shown and text != last:
            click.echo(f"\r{text}\x1b[K", err=True, nl=False)
            last = text

    try:
        yield show
    finally:
        if last:
            click.echo("\r\x1b[K", err=True, nl=False)
