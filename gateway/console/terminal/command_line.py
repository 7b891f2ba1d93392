"""The commands of `machinist` in one style: each with an example, and loaded when it is used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click

WIDTH = 100
"""The maximal width of a help text."""

HELP_OPTIONS = ["-h", "--help"]
HELP: dict[str, Any] = {"help_option_names": HELP_OPTIONS, "max_content_width": WIDTH}


class Command(click.Command):
    """A command whose help ends with an example, which a test runs."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        """`example` is the arguments of `machinist`; several lines are several examples."""
        super().__init__(*args, **{"context_settings": HELP} | kwargs)
        self.examples = example.strip().splitlines()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            for example in self.examples:
                formatter.write(f"  machinist {example.strip()}\n")


class Group(click.Group):
    """A group of commands; `members` are their short helps, by `name`, in modules of a package.

    A shell asks for the names at each completion, so only the command that is used is imported.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        members: Mapping[str, str],
        default: str | None = None,
        **kwargs: Any,
    ) -> None:
        """`default` is the command of a command line that names none."""
        super().__init__(*args, **{"context_settings": HELP} | kwargs)
        self._package = package
        self._members = members
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with the default command if they name none."""
        is_named = args and (not args[0].startswith("-") or args[0] in HELP_OPTIONS)
        if self._default is not None and not is_named:
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help."""
        return list(self._members)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command, None if there is none of this name."""
        if name not in self._members:
            return None
        command: click.Command = import_module(f"{self._package}.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands with their short helps."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._members.items()))


def command(name: str, *, example: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its docstring is the help, what it returns the exit status."""
    return click.command(name, cls=Command, example=example)
