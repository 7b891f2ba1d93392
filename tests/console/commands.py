"""All commands of the command line, for tests of each one."""

from collections.abc import Iterator

import click

from gateway.console.__main__ import machinist


def commands(
    group: click.Group = machinist, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Yield the words of each command that is not a group, and the command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command
