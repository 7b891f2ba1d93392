"""The values of options that several commands have: times, providers."""

import re
from datetime import UTC, datetime, timedelta

import click

from contracts.address import is_provider_name
from contracts.checks.validation import show

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"([0-9]{1,6})([smhd])")
WHEN = "a duration such as 90s, 15m, 1h or 2d, or a time such as 2026-01-31T12:00:00Z"


class When(click.ParamType[datetime]):
    """A time, or an age; a time without an offset is UTC."""

    name = "when"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value), datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(f"expected {WHEN}, got {str(value)!r}", param, ctx)


def moment(text: str, now: datetime) -> datetime:
    """Return the time that a text means; raises ValueError or OverflowError."""
    if span := DURATION.fullmatch(text):
        return now - timedelta(**{UNITS[span[2]]: int(span[1])})
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


class Provider(click.ParamType[str]):
    """The name of a provider."""

    name = "provider"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name."""
        text = str(value)
        if not is_provider_name(text):
            self.fail(
                "expected at most 32 lower-case letters, digits and '-', beginning with a letter, "
                f"and no reserved word of paths or queues, got {show(text)}",
                param,
                ctx,
            )
        return text


provider_option = click.option(
    "--provider",
    type=Provider(),
    default="k8s",
    show_default=True,
    metavar="NAME",
    help="The name of the provider.",
)
