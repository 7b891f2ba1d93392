"""Configures logging of a process: one line per record, on standard error."""

import logging
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
    *("aiohttp", "httpcore", "hpack", "httpx", "h11"),
    *("botocore", "aiobotocore", "aioboto3", "boto3"),
)
"""Loggers that print frames and headers at debug level, and so the bodies of secrets."""


FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
INDENT = "    "

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class OneLine(logging.Formatter):
    """Formats a record as one line, and a traceback below it as indented lines.

    No peer can forge a record: control characters are escaped, and every line of an exception's
    message is indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(super().formatMessage(record))

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


def _indented(text: str) -> str:
    return "\n".join(INDENT + printable(line) for line in text.split("\n"))
