"""Configures logging of a process: one line per record on standard error, as text or as JSON."""

import logging
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.observation import traces
from contracts.observation.log_stream import LogStream
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

LogFormat = Annotated[
    str,
    Meta(
        pattern=r"^(auto|json|text)\Z",
        description="auto, json or text; auto is text on a terminal and json elsewhere",
    ),
]
AUTO, JSON, TEXT = "auto", "json", "text"

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
INDENT = "    "
STANDARD_ERROR = 2

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)
Fields = Mapping[str, str | int | None]
"""The further members of a structured record; None is left out."""
NO_FIELDS: Fields = {}


def log_fields(logger: logging.Logger, level: int, text: str, fields: Fields) -> None:
    """Log a record with fields; the caller asks whether the logger is enabled for the level.

    The record has no source line: finding it takes 3 of the 9 us of a logging call.
    """
    record = logging.LogRecord(logger.name, level, "", 0, text, None, None)
    record.fields = fields
    logger.handle(record)


class OneLine(logging.Formatter):
    """Formats a record as one line, and a traceback below it as indented lines.

    No peer can forge a record: control characters are escaped, and every line of an exception's
    message is indented. Fields follow the message as `name=value`, quoted if a value has a space.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = super().formatMessage(record)
        fields: Fields = getattr(record, "fields", NO_FIELDS)
        for name, value in fields.items():
            if value is not None:
                line += f" {name}={_quoted(value) if isinstance(value, str) else value}"
        return printable(line)

    def formatException(self, ei: ExceptionInfo) -> str:
        """Return the lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """Return the lines of a stack."""
        return _indented(super().formatStack(stack_info))


class JsonLine(OneLine):
    """Formats a record as one JSON object.

    Its texts are escaped as in a text line, because readers print decoded members on terminals.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON of a record."""
        line: dict[str, str | int] = {
            "timestamp": self._timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields: Fields = getattr(record, "fields", NO_FIELDS)
        for name, value in fields.items():
            if value is not None:
                line[name] = value
        if (context := traces.current().context) is not None:
            line.setdefault("traceId", context.trace_id)
        if not record.exc_info and not record.stack_info:
            return _json(line)
        line = _escaped(line)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return msgspec.json.encode(line).decode()

    def _timestamp(self, seconds: float) -> str:
        """Return a time as RFC 3339 in UTC with milliseconds; a second is formatted once."""
        whole, milliseconds = divmod(int(seconds * 1000), 1000)
        if whole != self._second[0]:
            self._second = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{self._second[1]}.{milliseconds:03d}Z"


def formatter(form: str, *, on_terminal: bool) -> logging.Formatter:
    """Return the formatter of PLT_LOG_FORMAT."""
    is_json = form == JSON or (form == AUTO and not on_terminal)
    return JsonLine() if is_json else OneLine(FORMAT)


def configure(level: str, form: str = TEXT) -> None:
    """Log from this level up; client libraries log errors only."""
    # As the documentation of `logging` advises: no format has threads, processes or tasks.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False
    handler = LogStream(STANDARD_ERROR)
    handler.setFormatter(formatter(form, on_terminal=os.isatty(STANDARD_ERROR)))
    logging.basicConfig(level=LEVELS[level], handlers=[handler])
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.ERROR))


def _json(line: dict[str, str | int]) -> str:
    """Return the JSON of a line, whose decoded texts are printable.

    JSON without a backslash has no escapes: its texts are as printable as itself.
    """
    try:
        text = msgspec.json.encode(line).decode()
    except UnicodeEncodeError:  # a lone surrogate
        text = "\\"
    if "\\" not in text and text.isprintable():
        return text
    return msgspec.json.encode(_escaped(line)).decode()


def _escaped(line: dict[str, str | int]) -> dict[str, str | int]:
    return {
        name: printable(value) if isinstance(value, str) else value for name, value in line.items()
    }


def _quoted(text: str) -> str:
    """Return a value that no other field can be mistaken for."""
    if text and not any(char in ' "=' for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _indented(text: str) -> str:
    return "\n".join(INDENT + printable(line) for line in text.split("\n"))
