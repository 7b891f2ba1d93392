"""`machinist audit verify`: compares the audited state of each address with the platforms."""

from collections import Counter, defaultdict
from typing import Any

import click

from contracts.broker.connection import Connection
from gateway.audit.drift import Drift, Found, Kind
from gateway.audit.filters import Filters
from gateway.audit.platform import Platform
from gateway.audit.search import range_with_requests, read_commands
from gateway.audit.states import Address, State, States
from gateway.audit.stream import Range, range_of, read_range
from gateway.audit.text import state_text, value_text
from gateway.audit.verification import Report, compare, foreign_in
from gateway.console.audit.asking import CONCURRENCY, asker
from gateway.console.audit.options import filter_options, filters_of
from gateway.console.broker import on_broker
from gateway.console.calls import with_rpc
from gateway.console.failures import Failure
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import (
    counted,
    json_option,
    note,
    print_json,
    print_table,
    progress,
)
from gateway.rpc import Rpc

HEADER = ("PROVIDER", "ADDRESS", "DRIFT", "AUDIT", "PLATFORM", "UNCERTAIN")
COLOURS = {str(kind): "yellow" for kind in Kind}
STATES = (Kind.DELETED, Kind.NOT_DELETED, Kind.DELETING, Kind.FOREIGN)
"""The kinds of drift of a whole resource."""

WHOLE = ("result", "operation", "name", "by", "id")
"""Filters that hide some commands of a scope, so that no resource can be called foreign."""


@console_command(
    "verify",
    example="""
        audit verify --provider k8s --scope default
        audit verify --since 2d --ignore replicas --json
    """,
)
@filter_options
@click.option(
    "--foreign",
    is_flag=True,
    help="Report controllers of these scopes of which the audit has no command.",
)
@click.option(
    "--ignore",
    type=click.Choice([str(kind) for kind in Kind]),
    multiple=True,
    help="A kind of drift to leave out, such as the replicas of autoscaled controllers.",
)
@json_option
def command(foreign: bool, ignore: tuple[str, ...], as_json: bool, **conditions: Any) -> int:
    """Compare what the audit says with what the platforms say.

    The exit status is 1 for drift, and if a provider has no worker that could be asked.

    For each address the commands that match are added up: replicas, images, labels, ports, and the
    host names and rules of routes, as the last commands left them, or that a resource was deleted.
    Images are those of the main containers of running machines, so a rollout under way is drift.
    An autoscaler changes replicas without the audit: --ignore replicas leaves them out.

    UNCERTAIN is a later command whose effect no record has: it may explain the drift. A controller
    is foreign if the records, of 30 days at most, have no command on it. Secrets are not compared.
    """
    filters = filters_of(conditions)
    if foreign and any(getattr(filters, name) for name in ("results", *WHOLE[1:])):
        raise click.UsageError(f"--foreign: expected none of --{', --'.join(WHOLE)}")
    states, end = _states(filters)
    found, foreigners, is_whole = _found(states, foreign=foreign)
    changed = _changed_since(end)
    report = compare(states, found, changed)
    report.drift += [each for each in foreigners if (each.provider, each.address) not in changed]
    report.drift = sorted(
        (each for each in report.drift if each.kind not in ignore),
        key=lambda each: (each.provider, each.address),
    )
    _print(report, as_json=as_json)
    return 1 if report.drift or not is_whole else 0


def _states(filters: Filters) -> tuple[dict[Address, State], int]:
    """Return the audited states, and the position at which the audit ended."""
    states, end = States(), 0

    async def read(connection: Connection) -> None:
        nonlocal states, end
        states = States()
        end = (await range_of(connection)).end
        within = await range_with_requests(connection, filters)
        await read_commands(connection, within, filters, states.add, show)

    with progress("records read") as show:
        on_broker("audit verify", read)
    return states.all, end


def _found(
    states: dict[Address, State], *, foreign: bool
) -> tuple[dict[Address, Found], list[Drift], bool]:
    """Return what the platforms have at each address, and the foreign controllers.

    The last value is false if a provider has no worker.
    """
    found: dict[Address, Found] = {}
    is_whole = True
    foreigners: list[Drift] = []
    by_provider: defaultdict[str, list[State]] = defaultdict(list)
    for state in states.values():
        by_provider[state.provider].append(state)

    async def look(rpc: Rpc) -> None:
        nonlocal is_whole
        for provider, members in by_provider.items():
            platform = Platform(asker(rpc, provider))
            try:
                of_provider = await platform.look(members, show)
            except Failure as failure:
                unknown = Found(unknown=str(failure))
                found.update({(provider, each.address): unknown for each in members})
                is_whole = False
                continue
            found.update({(provider, address): each for address, each in of_provider.items()})
            for scope in sorted({each.scope for each in members}) if foreign else ():
                controllers = await platform.controllers(scope)
                foreigners.extend(foreign_in(provider, scope, controllers, states))

    if states:
        with progress("addresses looked up") as show:
            with_rpc("audit verify", look, in_flight=CONCURRENCY)
    return found, foreigners, is_whole


def _changed_since(end: int) -> set[Address]:
    """Return the addresses with records from a position on: their state may have changed."""
    changed: set[Address] = set()

    async def read(connection: Connection) -> None:
        newest = await range_of(connection)
        async for batch in read_range(connection, Range(end, newest.end)):
            for message in batch:
                _, provider, address = f"{message.key}..".split(".", 2)
                changed.add((provider, address.removesuffix("..")))

    on_broker("audit verify", read)
    return changed


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        for each in (*report.drift, *report.unchecked):
            print_json(each)
    elif report.drift:
        # Without an uncertain address the last column is empty.
        columns = 6 if any(each.uncertain for each in report.drift) else 5
        rows = [_row(each)[:columns] for each in report.drift]
        print_table(HEADER[:columns], rows, (1, *range(3, columns)), COLOURS)
    reasons = Counter(each.unchecked for each in report.unchecked)
    for reason, number in reasons.items():
        note(f"not compared: {number:,}, {reason}")
    compared = counted(report.compared, "address")
    note(f"{compared} compared; {counted(len(report.drift), 'difference')}")


def _row(drift: Drift) -> tuple[str, ...]:
    return (
        drift.provider,
        drift.address,
        drift.kind,
        _side(drift.kind, drift.expected),
        _side(drift.kind, drift.found),
        drift.uncertain or "-",
    )


def _side(kind: Kind, value: Any) -> str:
    """Return a side of a difference: a member, or the whole state of a resource."""
    if kind in STATES and value is not None:
        return state_text(value)
    return "-" if value is None else value_text(value)
