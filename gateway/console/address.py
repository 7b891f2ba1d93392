"""`machinist address`: the routing key of a command, for operators who publish it by hand."""

import click

from gateway.console.routing_keys import COMMANDS, routing_key
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.values import provider_option


@console_command("address", example="address update_controller_replicas default hello")
@click.argument("operation", type=click.Choice(list(COMMANDS)), metavar="OPERATION")
@click.argument("scope")
@click.argument("name")
@provider_option
def command(operation: str, scope: str, name: str, provider: str) -> None:
    """Print the routing key of a command, without a connection to the broker.

    OPERATION is a command such as update_controller_replicas, SCOPE a namespace or an ECS cluster,
    NAME the resource that the command acts on.
    """
    click.echo(routing_key(operation, scope, name, provider))
