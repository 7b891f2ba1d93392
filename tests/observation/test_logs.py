"""Logs: no peer can forge a log line or control the reader's terminal."""

import json
import logging
import subprocess
import sys

import pytest

from contracts.observation.logs import FORMAT, OneLine
from contracts.printable import BREAKS, printable, printable_json

FORGED = "\r\n2026-01-01 00:00:00,000 INFO    worker.record: everything is fine"
AWKWARD = [
    FORGED,
    "\n",
    "\x1b]0;title\x07\x1b[31m",
    "\x9b31m",
    "\x7f",
    "\N{LINE SEPARATOR}",
    "\N{PARAGRAPH SEPARATOR}",
    "\N{NEXT LINE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "\ud800",
    "\t\v\f\0",
]


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    """Return a record with the message as an argument."""
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("worker.record", logging.INFO, "", 1, "it: %s", (message,), exc_info)


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_control_characters_in_a_log_line_are_escaped(text):
    line = OneLine(FORMAT).format(record(f"a{text}b"))

    assert line.isprintable()
    assert line.endswith("b")


def test_printable_text_of_every_script_is_logged_unchanged():
    assert (
        OneLine(FORMAT)
        .format(record("größe 東京 \\n"))
        .endswith("worker.record: it: größe 東京 \\n")
    )


def raised(message: str) -> BaseException:
    """Return an exception with a traceback and a cause, both with this message."""
    try:
        try:
            raise ValueError(message)
        except ValueError as cause:
            raise RuntimeError(message) from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_a_traceback_is_indented_and_the_messages_of_exceptions_are_escaped(text):
    first, *rest = OneLine(FORMAT).format(record("x", raised(f"a{text}b"))).split("\n")

    assert first.endswith("it: x")
    assert len(rest) > 6
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_a_process_with_configured_logging_writes_one_line_per_record():
    code = "import logging; from contracts.observation import logs; logs.configure('info');"
    code += f"logging.getLogger('worker').info('it: %s', {FORGED!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    [line] = done.stderr.splitlines()
    assert line.endswith(" INFO    worker: it: " + FORGED.replace("\r\n", "\\r\\n"))


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_json_for_a_terminal_is_equivalent_and_printable(text):
    raw = json.dumps({"a": text}, ensure_ascii=False)

    assert printable_json(raw).isprintable()
    assert json.loads(printable_json(raw)) == {"a": text}


def test_line_breaks_of_a_multi_line_message_can_be_kept():
    assert printable("a\n\x1b[0mb", keep=BREAKS) == "a\n\\x1b[0mb"


def test_a_field_cannot_be_mistaken_for_another():
    known = record("x")
    known.fields = {"address": "a.b", "requestedBy": 'eve" result=done', "runMs": 3}

    line = OneLine(FORMAT).format(known)

    assert line.endswith(r'it: x address=a.b requestedBy="eve\" result=done" runMs=3')
