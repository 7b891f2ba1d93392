"""`machinist dead`: commands that could not be executed or recorded."""

import click

from gateway.console.terminal.command_line import Group


@click.group(
    "dead",
    cls=Group,
    package=__name__,
    members={
        "list": "List the dead letters.",
        "show": "Show all of one dead letter.",
        "retry": "Run the commands of dead letters again.",
        "drop": "Remove dead letters.",
    },
)
def command() -> None:
    """Inspect, retry and remove dead letters, which are in the queue machinist.dead.

    A letter is one command that can never be run as it is, with the reason. An ID is the id of the
    command, or a unique beginning of it. Each look at the queue counts as a delivery of every
    letter in it; the queue allows a million deliveries.
    """
