"""`machinist dead show`: all of one dead letter."""

import click
import msgspec

from contracts.broker.connection import Connection
from gateway.console.broker import on_broker
from gateway.console.dead.letters import DeadLetter, Filter
from gateway.console.dead.queue import Letter, select
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, print_fields, print_json, utc


@console_command("show", example="dead show 019ad2c0f1e07a3b")
@click.argument("identity", metavar="ID")
@json_option
def command(identity: str, as_json: bool) -> None:
    """Show all of one dead letter: when, where and why it died, its properties and its body.

    A sealed body is not opened, and an unsealed body that may hold secrets is not shown.
    """
    found: list[Letter] = []

    async def look(connection: Connection) -> None:
        nonlocal found
        found, _ = await select(connection, Filter((identity,)))

    on_broker("dead show", look)
    for number, each in enumerate(found):
        if as_json:
            print_json(each.shown)
            continue
        if number:
            click.echo()
        print_fields(_fields(each.shown))


def _fields(letter: DeadLetter) -> dict[str, str]:
    fields = {
        "id": letter.id,
        "operation": letter.operation,
        "provider": letter.provider,
        "routing key": letter.key,
        "died": utc(letter.died),
        "reason": letter.reason,
        "queue": letter.queue or "-",
        "published by": letter.user or "-",
        "published": utc(letter.asked),
        "dead-lettered by": letter.app or "-",
        "deliveries": f"{letter.deliveries:,}",
        "content type": " ".join(filter(None, (letter.content_type, letter.content_encoding))),
    }
    fields |= {f"header {name}": str(value) for name, value in letter.headers.items()}
    fields["body"] = _body(letter)
    return fields


def _body(letter: DeadLetter) -> str:
    if letter.sealed is not None:
        return f"sealed, {len(letter.sealed):,} characters of Base64 (--json)"
    if letter.withheld is not None:
        return f"not shown: {letter.withheld.removeprefix('not kept: ')}"
    if letter.raw is not None:
        return f"not JSON, {len(letter.raw):,} characters of Base64 (--json)"
    return msgspec.json.format(msgspec.json.encode(letter.body)).decode()
