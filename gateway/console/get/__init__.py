"""`machinist get`: the queries of the table, sent as a gateway sends them."""

import click

from gateway.console.get.queries import NOUNS, query_command
from gateway.console.terminal.command_line import Group


class Queries(Group):
    """A group with a command for each query."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of a query, None if there is none of this name."""
        return query_command(name, NOUNS[name]) if name in NOUNS else None


@click.group(
    "get",
    cls=Queries,
    package=__name__,
    members={noun: operation.row.summary for noun, operation in NOUNS.items()},
)
def command() -> None:
    """Show machines, controllers, services and routes, as the REST API returns them.

    A worker answers over the broker; no gateway is needed. The broker user is `operator`, or one
    with the rights of a gateway.
    """
