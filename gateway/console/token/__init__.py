"""`machinist token`: tokens for clients of gateways."""

import click

from gateway.console.terminal.command_line import Group


@click.group(
    "token", cls=Group, package=__name__, members={"new": "Print a new token and its hash."}
)
def command() -> None:
    """Make tokens for clients of gateways."""
