"""Configures logging of a process: one line per record on standard error."""

import logging
from collections.abc import Mapping
from types import TracebackType

from contracts.printable import printable

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "silent": logging.CRITICAL + 1,
}

WIRE_LOGGERS = (
    *("aiormq", "aio_pika"),
    *("aiohttp", "httpcore", "hpack", "httpx", "h11", "urllib3"),
    *("botocore", "aiobotocore", "aioboto3", "boto3"),
)
"""Loggers that print frames and headers at debug level, and so the bodies of secrets."""

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
INDENT = "    "

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)
Field = str | int | None
"""A member of a structured record; None is left out."""


def with_fields(fields: Mapping[str, Field]) -> dict[str, dict[str, str | int]]:
    """Return the argument `extra` of a logging call for a record with these fields."""
    return {"fields": {name: value for name, value in fields.items() if value is not None}}


class OneLine(logging.Formatter):
    """Formats a record as one line, and a traceback below it as indented lines.

    No peer can forge a record: control characters are escaped, and every line of an exception's
    message is indented. Fields follow the message as `name=value`, quoted if a value has a space.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = super().formatMessage(record)
        fields: dict[str, str | int] = getattr(record, "fields", {})
        for name, value in fields.items():
            line += f" {name}={_quoted(value) if isinstance(value, str) else value}"
        return printable(line)

    def formatException(self, ei: ExceptionInfo) -> str:
        """Return the lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """Return the lines of a stack."""
        return _indented(super().formatStack(stack_info))


def configure(level: str) -> None:
    """Log from this level up; client libraries log errors only."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=LEVELS[level], handlers=[handler])
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.ERROR))


def _quoted(text: str) -> str:
    """Return a value that no other field can be mistaken for."""
    if text and not any(char in ' "=' for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _indented(text: str) -> str:
    return "\n".join(INDENT + printable(line) for line in text.split("\n"))
