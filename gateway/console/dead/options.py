"""Options that select dead letters, which several commands have."""

import sys
from collections.abc import Callable
from typing import Any

import click

from gateway.console.dead.letters import DeadLetter, Filter
from gateway.console.dead.table import print_letters


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a filter."""
    for option in (
        click.option("--reason", metavar="TEXT", default="", help="A part of the reason."),
        click.option("--operation", metavar="NAME", default="", help="Only this operation."),
        click.option("--provider", metavar="NAME", default="", help="Only this provider."),
    ):
        command = option(command)
    return command


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ids, or --all with a filter, and --yes."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
        filter_options,
        click.option("--all", "is_all", is_flag=True, help="All letters that the filter selects."),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        command = option(command)
    return command


def selected(ids: tuple[str, ...], *, is_all: bool, **conditions: str) -> Filter:
    """Return the filter of a selection; raise UsageError unless it has either ids or --all."""
    if bool(ids) == is_all:
        raise click.UsageError("expected one or more IDs, or --all", click.get_current_context())
    if ids and any(conditions.values()):
        raise click.UsageError("expected a filter with --all only", click.get_current_context())
    return Filter(ids, **conditions)


def confirmed(question: str, letters: list[DeadLetter], *, yes: bool) -> bool:
    """Show letters on a terminal and ask a question; `yes` is an answer on the command line."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("standard input is not a terminal: add --yes")
    if sys.stdout.isatty():
        print_letters(letters)
    return click.confirm(question, err=True)
