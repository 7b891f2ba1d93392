"""Entry point of `machinist`, the command line for operators."""

import os
import sys
from collections.abc import Sequence

import click

from contracts import VERSION
from contracts.faults import Fault
from contracts.printable import BREAKS, printable
from contracts.process.environment import ConfigurationError
from gateway.console.failures import Failure
from gateway.console.terminal.command_line import Group

PROGRAM = "machinist"


@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.group(
    PROGRAM,
    cls=Group,
    package="gateway.console",
    members={
        "get": "Show machines, controllers, services and routes.",
        "scale": "Scale a controller.",
        "address": "Print the routing key of a command.",
        "audit": "Search the audit of commands.",
        "dead": "List, retry and remove dead letters.",
        "queues": "List the queues with their messages and consumers.",
        "providers": "List the providers with their workers, remove providers.",
        "doctor": "Find faults of this installation, and name the remedies.",
        "token": "Make tokens for clients of gateways.",
        "completion": "Print the completion script of a shell.",
    },
)
def machinist() -> None:
    """Operate machinist over its message broker.

    Commands that use the broker read its URL from PLT_AMQP_URL, or from the file that
    PLT_AMQP_URL_FILE names.

    Exit status: 0 for success, 1 for a failure on the broker or the platform or a negative result
    of a check, 2 for an invalid argument or variable, 130 for an interrupt.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit status.

    The status is 2 for an invalid argument or variable, 1 for a failure on the broker and for a
    negative result of a check, 130 for an interrupt.
    """
    try:
        status = machinist.main(arguments, PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Fault, ConfigurationError) as error:
        return _complain(error, 2)
    except Failure as failure:
        return _complain(failure, 1)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except SystemExit:
        return 0  # click's, when the reader has closed the pipe
    except BrokenPipeError:
        # The reader closed the pipe; the flush at exit would raise BrokenPipeError again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status or 0


def _complain(reason: Exception, status: int) -> int:
    keep = BREAKS if isinstance(reason, ConfigurationError) else ""
    click.echo(f"{PROGRAM}: {printable(str(reason), keep)}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
