"""`machinist providers`: the providers and their workers."""

import click

from gateway.console.terminal.command_line import Group


@click.group(
    "providers",
    cls=Group,
    package=__name__,
    members={
        "list": "List the providers and their workers (the default).",
        "remove": "Delete the queues of a provider without workers.",
    },
    default="list",
)
def command() -> None:
    """List the providers with their workers, and remove providers.

    A provider comes into being with its first worker, or with the import of its definitions.
    """
