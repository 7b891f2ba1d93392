"""`machinist audit show`: everything that is known of one command."""

import os
from base64 import b64decode
from typing import Any

import click
import msgspec

from contracts.broker.connection import Connection
from contracts.outcomes import Outcome, Result
from contracts.printable import printable
from contracts.process.environment import load
from contracts.seal import Seals
from gateway.audit.entries import Entry, merged
from gateway.audit.filters import time_of
from gateway.audit.search import records_of
from gateway.audit.text import changes_of, clock, reason, requester
from gateway.console.broker import on_broker
from gateway.console.failures import Failure
from gateway.console.settings import SealSettings
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, print_json, progress

LABEL = 12


@console_command("show", example="audit show 019ad2c0f1e07a3b")
@click.argument("id")
@click.option("--unseal", is_flag=True, help="Print a sealed request, opened with PLT_SEAL_KEY.")
@json_option
def command(id: str, unseal: bool, as_json: bool) -> None:
    """Show the request, the timeline, and the state before and after one command.

    ID is the id of a command, or its first digits. A gateway's id contains its time, so that few
    records are read; for another id the audit is read from its end back.
    """
    seals = Seals(load(SealSettings, os.environ).seal_key) if unseal else None
    entries: list[Entry] = []

    async def search(connection: Connection) -> None:
        nonlocal entries
        with progress("records read") as show:
            entries = await records_of(connection, id, show)

    on_broker("audit show", search)
    _check(entries, id)
    outcome = merged(each.outcome for each in entries)
    opened = None if seals is None else _opened(outcome, seals)
    if as_json:
        for each in entries:
            print_json(each)
        if opened is not None:
            print_json({"opened": opened})
        return
    for label, text in _lines(entries, outcome, opened):
        click.echo(f"{label.ljust(LABEL)}{printable(text)}")


def _check(entries: list[Entry], wanted: str) -> None:
    """Raise Failure unless the records are of one command."""
    commands = dict.fromkeys((each.outcome.provider, each.outcome.id) for each in entries)
    if not commands:
        raise Failure(f"no command {wanted}: the audit has records of the last 30 days")
    if len(commands) > 1:
        known = ", ".join(f"{identity} ({provider})" for provider, identity in commands)
        raise Failure(f"{len(commands)} commands have ids that begin with {wanted}: {known}")


def _opened(outcome: Outcome, seals: Seals) -> Any:
    """Return the sealed body; None if the request has none. Raises a fault without its key."""
    sealed = outcome.request.sealed if outcome.request else None
    if sealed is None:
        return None
    return msgspec.Raw(seals.open(b64decode(sealed), outcome.operation, outcome.address))


def _lines(entries: list[Entry], outcome: Outcome, opened: Any) -> list[tuple[str, str]]:
    status = "" if outcome.status is None else f", status {outcome.status}"
    trace = next((each.traceparent for each in entries if each.traceparent), None)
    lines = [
        ("Command", outcome.id),
        ("Operation", outcome.operation),
        ("Address", f"{outcome.provider} {outcome.address}"),
        ("Result", f"{outcome.result}{status}"),
        ("By", requester(outcome)),
        ("Reason", reason(outcome)),
        ("Repeats", outcome.repeats),
        ("Retries", outcome.request.retries if outcome.request else None),
        ("Replay of", outcome.request.replay_of if outcome.request else None),
        ("Trace", trace),
        ("Request", _request(outcome)),
        ("Opened", None if opened is None else _json(opened)),
        ("Before", None if outcome.before is None else _json(outcome.before)),
        ("After", None if outcome.after is None else _json(outcome.after)),
        ("Changes", ", ".join(changes_of(outcome)) if outcome.after is not None else None),
    ]
    shown = [(label, text) for label, text in lines if text is not None]
    return [*shown, *_timeline(entries, outcome)]


def _timeline(entries: list[Entry], outcome: Outcome) -> list[tuple[str, str]]:
    """Return the times of a command; each record `started` after the first is a redelivery."""
    times = [(outcome.asked, "asked", "")]
    deliveries = 0
    for each in (entry.outcome for entry in entries):
        name = str(each.result)
        if each.result is Result.STARTED:
            deliveries += 1
            name = "started" if deliveries == 1 else f"started again, redelivery {deliveries - 1}"
        times.append((time_of(each), name, each.worker or ""))
    texts = [f"{clock(at)}  {name}  {worker}".rstrip() for at, name, worker in times if at]
    return [("Timeline" if index == 0 else "", text) for index, text in enumerate(texts)]


def _request(outcome: Outcome) -> str | None:
    request = outcome.request
    if request is None:
        return None
    if request.body is not None:
        return _json(request.body)
    if request.sealed is not None:
        return f"sealed; --unseal shows it. Summary: {_json(request.summary)}"
    return request.withheld


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
