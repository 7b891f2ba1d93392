"""`machinist token new`: prints a new token, and the line with its hash."""

import re
from datetime import UTC, datetime, timedelta

import click

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from gateway.console.terminal.command_line import command as console_command
from gateway.identity import tokens
from gateway.identity.requester import is_name
from gateway.identity.tokens import NEVER


class Days(click.ParamType[int | None]):
    """A number of days, or `never`, which is None."""

    name = "days"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Return the number of days."""
        text = str(value)
        if text == NEVER:
            return None
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
            self.fail(f"expected 1 to 9999 or {NEVER}, got {text!r}", param, ctx)
        return int(text)


@console_command("new", example="token new --subject icc --days 90")
@click.option("--subject", required=True, metavar="NAME", help="The client, without spaces.")
@click.option(
    "--days",
    type=Days(),
    default="90",
    show_default=True,
    metavar="N",
    help=f"Valid for N days, or {NEVER}: forever.",
)
def command(subject: str, days: int | None) -> None:
    """Print a new token and the line for PLT_AUTH_TOKENS.

    The token is shown only once. The second line has its hash and belongs into the file of
    PLT_AUTH_TOKENS, which a gateway reads again when it changes.
    """
    token, line = token_and_line(subject, days)
    click.echo(token)
    click.echo(line)
    click.echo("the first line is the token, the second the line for PLT_AUTH_TOKENS", err=True)


def token_and_line(subject: str, days: int | None) -> tuple[str, str]:
    """Return a new token, and its line for the file of tokens; raise `invalid`.

    The token is valid for a number of days, forever if `days` is None.
    """
    if not is_name(subject) or " " in subject or subject.startswith("#"):
        expected = "1 to 255 printable characters without spaces, and no '#' at the beginning"
        raise Fault(Code.INVALID, f"--subject: expected {expected}, got {show(subject)}")
    token = tokens.new_token()
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    return token, tokens.line_of(token, subject, expires)
