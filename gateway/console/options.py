"""The words of the command line, as types."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from contracts.broker.stream_reader import Position
from contracts.command_line import add_version

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"([0-9]{1,6})([smhd])")
SINCE = "first, a duration such as 90s, 15m, 1h or 2d, or a time such as 2026-01-31T12:00:00Z"
MOST_DEAD = 10_000


def parser() -> argparse.ArgumentParser:
    """The parser of `machinist`."""
    top = argparse.ArgumentParser(
        prog="machinist",
        description="The operators' command line of machinist. What asks the broker finds it in "
        "PLT_AMQP_URL.",
    )
    add_version(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _address(commands.add_parser("address", help="print the routing key of a command"))
    _audit(commands.add_parser("audit", help="replay what was asked and what became of it"))
    _dead(commands.add_parser("dead", help="list the messages that can never be run"))
    return top


def _address(command: argparse.ArgumentParser) -> None:
    command.description = "Print the key that a command is published under; asks nobody."
    command.add_argument("operation", metavar="OPERATION", help="update_controller_replicas …")
    command.add_argument("scope", metavar="SCOPE", help="a namespace or cluster")
    command.add_argument("name", metavar="NAME", help="the thing that the command acts on")
    command.add_argument("--provider", default="k8s", help="as it is attached (default: k8s)")


def _audit(command: argparse.ArgumentParser) -> None:
    command.description = (
        "One line for each request and each outcome, times in UTC; those of one command have the "
        "same id."
    )
    command.add_argument(
        "--since", type=since, default="1h", metavar="WHEN", help=f"{SINCE}; default: 1h"
    )
    command.add_argument("--follow", action="store_true", help="go on with what comes")
    command.add_argument("--address", metavar="PATTERN", help="such as 'controllers.default.*'")
    command.add_argument("--id", help="one command")
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def _dead(command: argparse.ArgumentParser) -> None:
    command.description = (
        "One line for each message in machinist.dead, the oldest first. They stay there; each look "
        "counts as a delivery, of which the queue allows a million."
    )
    command.add_argument("--most", type=most, default=100, metavar="N", help="default: 100")
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def since(text: str, now: datetime | None = None) -> Position:
    """Where a replay begins: `first` or a moment; a time without an offset is UTC."""
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
    """How many to show."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MOST_DEAD:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_DEAD}, got {text!r}")
    return int(text)
