"""`machinist audit`: the audit of commands."""

import click

from gateway.console.terminal.command_line import Group


@click.group(
    "audit",
    cls=Group,
    package=__name__,
    members={
        "list": "List the newest commands.",
        "show": "Show everything that is known of one command.",
        "tail": "Print records as they arrive.",
        "export": "Write the records to files, each once.",
        "replay": "Publish successful commands again.",
        "verify": "Compare the audit with the platforms.",
    },
)
def command() -> None:
    """Search the audit, the stream machinist.audit.

    It has a record when a command is started, with its request, and a record with its result.
    """
