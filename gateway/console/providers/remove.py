"""`machinist providers remove`: deletes the queues of a provider that has no worker."""

import os
import sys

import click

from contracts.broker.connection import Connection
from contracts.process.environment import load
from contracts.seal import Seals
from gateway.console.broker import on_broker
from gateway.console.providers import removal
from gateway.console.settings import SealSettings
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json, progress
from gateway.console.terminal.values import Provider


@console_command("remove", example="providers remove k8s-old --yes")
@click.argument("name", type=Provider())
@click.option("--force", is_flag=True, help="Make waiting commands dead letters first.")
@click.option("--yes", is_flag=True, help="Do not ask for the name.")
@json_option
def command(name: str, force: bool, yes: bool, as_json: bool) -> int:
    """Delete the queues of a provider; gateways then answer 404 unknown_provider.

    The provider must have no worker, and its queues no message. With --force each command that
    waits becomes a dead letter with an outcome in the audit, so that it can be retried when the
    provider is back; queries are dropped. In both cases the bindings are removed first, so that no
    command is published to a queue that is being deleted.

    The broker user needs the rights of an operator, and configure, write and read on the queues,
    read on machinist.commands and machinist.queries, and with --force write on machinist.dead and
    machinist.outcomes: an administrator has them. If the provider is in the definitions or users
    that you import, write these again without it.
    """
    seals = Seals(load(SealSettings, os.environ).seal_key)
    queues = dead = 0

    async def check(connection: Connection) -> None:
        nonlocal queues
        queues = await removal.require_removable(connection, name, force=force)

    async def remove(connection: Connection) -> None:
        nonlocal dead
        with progress("queues deleted") as show:
            dead += await removal.remove(connection, name, seals, show, force=force)

    on_broker("providers remove", check)
    if not yes and not _is_typed(name, queues):
        note("another name was typed; nothing was deleted")
        return 1
    on_broker("providers remove", remove)
    if as_json:
        print_json({"provider": name, "queues": queues, "deadLetters": dead})
    else:
        click.echo(f"{name}: {queues} queues deleted, {dead:,} commands are dead letters now")
    return 0


def _is_typed(name: str, queues: int) -> bool:
    """Ask for the name of the provider."""
    if not sys.stdin.isatty():
        raise click.UsageError("standard input is not a terminal: add --yes")
    typed = click.prompt(f"Delete {queues} queues? Type the name of the provider", err=True)
    return bool(typed == name)
