"""`machinist providers list`: the providers and their workers."""

from datetime import datetime
from typing import Any

import click

from contracts.broker.connection import Connection
from gateway.console.attending import listen
from gateway.console.broker import environment, on_broker
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json, print_table, utc
from gateway.console.terminal.values import Provider
from gateway.provider_status import provider_status
from gateway.settings import provider_names

HEADER = ("PROVIDER", "ATTENDED", "WORKER", "VERSION", "SINCE", "PARTITIONS", "CLOCK")


@console_command("list", example="providers list k8s")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=Provider())
@json_option
def command(names: tuple[str, ...], as_json: bool) -> int:
    """List the providers with a worker and those of PLT_PROVIDERS, or the named ones only.

    The command listens to the announcements of workers for some seconds. CLOCK is the time by which
    a worker's clock is behind the broker's. The exit status is 1 if a named provider has no worker.
    """
    found: dict[str, dict[str, Any]] = {}

    async def look(connection: Connection) -> None:
        expected = [*names, *provider_names(environment().providers)]
        attendance = await listen(connection, expected)
        for name in names or attendance.providers():
            found[name] = provider_status(
                await attendance.is_attended(name), attendance.workers(name)
            )

    on_broker("providers list", look)
    if as_json:
        for name, status in found.items():
            print_json({"provider": name} | status)
    elif found:
        print_table(HEADER, [row for each in found.items() for row in _rows(*each)], (2, 5))
    else:
        note("no provider has a worker")
    return 0 if all(found[name]["attended"] for name in names) else 1


def _rows(name: str, status: dict[str, Any]) -> list[tuple[str, ...]]:
    attended = "yes" if status["attended"] else "no"
    rows: list[tuple[str, ...]] = [
        (
            name,
            attended,
            worker["worker"],
            worker["version"],
            utc(datetime.fromisoformat(worker["since"])),
            ",".join(map(str, worker["partitions"])) or "-",
            f"{worker['clockBehindSeconds']:.1f} s",
        )
        for worker in status["workers"]
    ]
    return rows or [(name, attended, "-", "-", "-", "-", "-")]
