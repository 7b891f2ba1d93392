"""`machinist doctor`: finds what is wrong with an installation, and names the remedy."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Sequence

import click

from contracts.address import is_provider_name
from contracts.observation.logs import configure
from gateway.console.doctor.examination import examine
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.report import block, summary
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note, print_json


class Scope(click.ParamType[tuple[str, str]]):
    """A provider with one of its scopes: `k8s/shop`."""

    name = "scope"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return provider and scope."""
        match = re.fullmatch(r"([^/]+)/(\S+)", str(value))
        if match is None or not is_provider_name(match[1]):
            self.fail(f"expected PROVIDER/SCOPE such as k8s/shop, got {str(value)!r}", param, ctx)
        return match[1], match[2]


@console_command("doctor", example="doctor --scope k8s/default\ndoctor --json")
@click.option(
    "--scope",
    "scopes",
    type=Scope(),
    multiple=True,
    metavar="PROVIDER/SCOPE",
    help="Also check the rights of the workers in this namespace or ECS cluster; repeatable.",
)
@json_option
def command(scopes: Sequence[tuple[str, str]], as_json: bool) -> int:
    """Find faults of this installation; name for each one its meaning and the remedy.

    Checks the broker, its nodes and queues, the users' rights, gateways and workers, clocks, seal
    keys, platforms, and the variables of a gateway in this environment. Nothing is changed. Run it
    in the environment of a gateway.

    Facts about nodes, bindings and rights come from RabbitMQ's management API. PLT_MANAGEMENT_URL
    is its URL with a user that has the tag monitoring, or administrator for all checks; by default
    port 15672 of the broker with the user of PLT_AMQP_URL. What cannot be checked is listed.

    The exit status is 0 without findings, 1 with findings, 2 for an invalid argument or variable.
    """
    configure("silent")  # what a log would report is a finding
    by_provider: dict[str, list[str]] = {}
    for provider, scope in scopes:
        by_provider.setdefault(provider, []).append(scope)
    findings = asyncio.run(examine(os.environ, by_provider))
    findings.sort(key=lambda each: list(Severity).index(each.severity))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for finding in findings:
        if as_json:
            print_json(finding)
        else:
            click.echo("\n".join(block(finding, width)))
    note(summary(findings))
    return int(any(each.severity is not Severity.UNCHECKED for each in findings))
