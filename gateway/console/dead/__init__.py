"""`machinist dead`: commands that could not be executed or recorded."""

import click

from gateway.console.command_line import Group


@click.group("dead", cls=Group, package=__name__, members={"list": "List the dead letters."})
def command() -> None:
    """Inspect the dead letters, which are in the queue machinist.dead."""
