"""Entry point of `machinist`, the command line for operators."""

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
from contracts.observation.logs import configure
from contracts.outcomes import Outcome
from contracts.printable import BREAKS, printable
from contracts.wire import Message
from gateway.console import broker_task, keys, lines, new_token, options
from gateway.console.audit import Replay
from gateway.console.dead import show_dead
from gateway.console.entries import dead, record
from gateway.console.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit status.

    The status is 2 for an invalid argument or variable, 1 for a failure on the broker.
    """
    args = options.parser().parse_args(arguments)
    try:
        COMMANDS[args.command](args)
    except (Fault, ConfigurationError) as error:
        return _complain(error, 2)
    except broker_task.Failure as failure:
        return _complain(failure, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader closed the pipe; the flush at exit would raise BrokenPipeError again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _address(args: argparse.Namespace) -> None:
    print(keys.routing_key(args.operation, args.scope, args.name, args.provider))


def _audit(args: argparse.Namespace) -> None:
    text = lines.json_line if args.json else lines.outcome_line

    def show(message: Message) -> None:
        found = record(message)
        if found is None:
            _complain(f"an outcome that cannot be read, published by {message.app_id!r}")
        elif _matches(found, args):
            print(text(found), flush=True)

    _on_broker("audit", Replay(args.since, show, follow=args.follow).run)


def _dead(args: argparse.Namespace) -> None:
    text = lines.json_line if args.json else lines.dead_line

    async def show_all(connection: Connection) -> None:
        total = await show_dead(connection, lambda m: print(text(dead(m)), flush=True), args.most)
        sys.stderr.write(f"{total} dead, {min(total, args.most)} shown\n")

    _on_broker("dead", show_all)


def _token(args: argparse.Namespace) -> None:
    token, line = new_token.token_and_line(args.subject, args.days)
    print(token)
    print(line)
    sys.stderr.write("the first line is the token, the second the line for PLT_AUTH_TOKENS\n")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "address": _address,
    "audit": _audit,
    "dead": _dead,
    "token": _token,
}


def _matches(found: Outcome, args: argparse.Namespace) -> bool:
    return args.id in {None, found.id} and fnmatchcase(found.address, args.address or "*")


def _on_broker(name: str, session: Session) -> None:
    settings = load(Settings, os.environ)
    configure(settings.logger_level)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # the connection logs the same
    asyncio.run(broker_task.run(settings.amqp_url, f"machinist console {name}", session))


def _complain(reason: object, status: int = 0) -> int:
    keep = BREAKS if isinstance(reason, ConfigurationError) else ""
    sys.stderr.write(f"machinist: {printable(str(reason), keep)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
