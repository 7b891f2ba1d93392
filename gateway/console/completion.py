"""`machinist completion`: the script with which a shell completes the command line."""

import click
from click.shell_completion import get_completion_class

from gateway.console.terminal.command_line import command as console_command

SHELLS = ("bash", "zsh", "fish")


@console_command(
    "completion",
    example="completion bash > ~/.local/share/bash-completion/completions/machinist",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell: bash, zsh or fish."""
    root = ctx.find_root()
    completion = get_completion_class(shell)
    assert completion is not None  # click has a class for each of the shells
    click.echo(completion(root.command, {}, "machinist", "_MACHINIST_COMPLETE").source())
