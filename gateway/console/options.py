"""The options of the command line, and the parsing of their values."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from contracts.broker.stream_reader import Position
from contracts.command_line import add_version
from gateway.identity.tokens import NEVER

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"([0-9]{1,6})([smhd])")
SINCE = "first, a duration such as 90s, 15m, 1h or 2d, or a time such as 2026-01-31T12:00:00Z"
MAX_DEAD = 10_000


def parser() -> argparse.ArgumentParser:
    """Return the parser of `machinist`."""
    top = argparse.ArgumentParser(
        prog="machinist",
        description="The command line of machinist for operators. Commands that use the broker "
        "read its URL from PLT_AMQP_URL, or from the file that PLT_AMQP_URL_FILE names.",
    )
    add_version(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _address(commands.add_parser("address", help="print the routing key of a command"))
    _audit(commands.add_parser("audit", help="replay requests and their outcomes"))
    _dead(commands.add_parser("dead", help="list the dead letters"))
    _token(commands.add_parser("token", help="make a token for a client of gateways"))
    return top


def _address(command: argparse.ArgumentParser) -> None:
    command.description = "Print the routing key of a command, without a connection to the broker."
    command.add_argument("operation", metavar="OPERATION", help="update_controller_replicas …")
    command.add_argument("scope", metavar="SCOPE", help="a namespace or cluster")
    command.add_argument("name", metavar="NAME", help="the resource that the command acts on")
    command.add_argument(
        "--provider", default="k8s", help="the name of the attached provider (default: k8s)"
    )


def _audit(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Print one line for each request and each outcome. Times are in UTC; the lines of one "
        "command have the same id."
    )
    command.add_argument(
        "--since", type=since, default="1h", metavar="WHEN", help=f"{SINCE}; default: 1h"
    )
    command.add_argument("--follow", action="store_true", help="continue with new records")
    command.add_argument(
        "--address", metavar="PATTERN", help="only these addresses, such as 'controllers.default.*'"
    )
    command.add_argument("--id", help="only this command")
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def _dead(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Print one line for each message in machinist.dead, oldest first. The messages stay in the "
        "queue; each run counts as a delivery, and the queue allows a million deliveries."
    )
    command.add_argument("--most", type=most, default=100, metavar="N", help="default: 100")
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def _token(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="print a new token and the line for PLT_AUTH_TOKENS")
    new.description = (
        "Print two lines: a new token, which is shown only once, and the line with its hash for "
        "the file of PLT_AUTH_TOKENS. A gateway reads the file again when it changes."
    )
    new.add_argument("--subject", required=True, help="the name of the client, without spaces")
    new.add_argument(
        "--days", type=days, default=90, metavar="N", help="valid for N days, or never: forever"
    )


def days(text: str) -> int | None:
    """Parse a number of days; None for `never`."""
    if text == NEVER:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 to 9999 or {NEVER}, got {text!r}")
    return int(text)


def since(text: str, now: datetime | None = None) -> Position:
    """Parse the start of a replay: `first` or a time; a time without an offset is UTC."""
    if text == "first":
        return "first"
    now = now or datetime.now(UTC)
    try:
        if span := DURATION.fullmatch(text):
            return now - timedelta(**{UNITS[span[2]]: int(span[1])})
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected {SINCE}, got {text!r}") from error


def most(text: str) -> int:
    """Parse the number of dead letters to show."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MAX_DEAD:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MAX_DEAD}, got {text!r}")
    return int(text)
