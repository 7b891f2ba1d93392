"""`machinist`, or `python -m gateway.console`: the operators' command line."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from contracts.broker.connection import Connection
from contracts.broker.reconnecting import Session
from contracts.environment import ConfigurationError, load
from contracts.faults import Fault
from contracts.logs import configure
from contracts.outcomes import Outcome
from contracts.printable import BREAKS, printable
from contracts.wire import Message
from gateway.console import errand, keys, lines, options
from gateway.console.audit import Replay
from gateway.console.dead import look
from gateway.console.entries import dead, record
from gateway.console.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line asks for; the exit status.

    2 for a wrong word or variable, 1 where the broker kept it from being done.
    """
    asked = options.parser().parse_args(arguments)
    try:
        COMMANDS[asked.command](asked)
    except (Fault, ConfigurationError) as error:
        return _complain(error, 2)
    except errand.Failure as failure:
        return _complain(failure, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever reads has enough; Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _address(asked: argparse.Namespace) -> None:
    print(keys.routing_key(asked.operation, asked.scope, asked.name, asked.provider))


def _audit(asked: argparse.Namespace) -> None:
    text = lines.json_line if asked.json else lines.outcome_line

    def show(message: Message) -> None:
        found = record(message)
        if found is None:
            _complain(f"an outcome that cannot be read, of {message.app_id!r}")
        elif _is_asked_for(found, asked):
            print(text(found), flush=True)

    _on_broker("audit", Replay(asked.since, show, follow=asked.follow).run)


def _dead(asked: argparse.Namespace) -> None:
    text = lines.json_line if asked.json else lines.dead_line

    async def list_them(connection: Connection) -> None:
        there = await look(connection, lambda m: print(text(dead(m)), flush=True), asked.most)
        sys.stderr.write(f"{there} dead, {min(there, asked.most)} shown\n")

    _on_broker("dead", list_them)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "address": _address,
    "audit": _audit,
    "dead": _dead,
}


def _is_asked_for(found: Outcome, asked: argparse.Namespace) -> bool:
    return asked.id in {None, found.id} and fnmatchcase(found.address, asked.address or "*")


def _on_broker(name: str, session: Session) -> None:
    settings = load(Settings, os.environ)
    configure(settings.logger_level)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # the link tells of it too
    asyncio.run(errand.run(settings.amqp_url, f"machinist console {name}", session))


def _complain(reason: object, status: int = 0) -> int:
    keep = BREAKS if isinstance(reason, ConfigurationError) else ""
    sys.stderr.write(f"machinist: {printable(str(reason), keep)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
