"""The filters that the commands of `machinist audit` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from contracts.api import OPERATIONS
from contracts.outcomes import Result
from gateway.audit.filters import Filters
from gateway.console.terminal.values import WHEN, When

Function = TypeVar("Function", bound=Callable[..., Any])

COMMANDS = [name for name, operation in OPERATIONS.items() if not operation.row.safe]

OPTIONS = (
    click.option("--since", type=When(), metavar="WHEN", help=f"Not before: {WHEN}."),
    click.option("--until", type=When(), metavar="WHEN", help="Not after."),
    click.option(
        "--result",
        type=click.Choice([str(result) for result in Result]),
        multiple=True,
        metavar="RESULT",
        help=f"{', '.join(Result)}; `started` is a command that has not ended. Can be repeated.",
    ),
    click.option(
        "--operation",
        type=click.Choice(COMMANDS),
        metavar="OPERATION",
        help="A command, such as update_controller_replicas.",
    ),
    click.option("--provider", help="The name of the provider."),
    click.option("--scope", help="The namespace or ECS cluster."),
    click.option("--name", help="The resource that the command acts on."),
    click.option("--by", help="The requester, or the broker user."),
    click.option("--id", help="The id of the command, or its first digits."),
)


def filter_options(function: Function) -> Function:
    """Add the filters to a command; `filters_of` makes them from its arguments."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def filters_of(arguments: dict[str, Any]) -> Filters:
    """Return the filters from the arguments that `filter_options` adds."""
    results = frozenset(Result(each) for each in arguments.pop("result"))
    return Filters(results=results, **arguments)
