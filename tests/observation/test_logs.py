"""Logs: no peer can forge a log line or control the reader's terminal."""

import json
import logging
import os
import subprocess
import sys

import pytest

from contracts.observation.logs import FORMAT, JsonLine, OneLine, formatter
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
    return logging.LogRecord(
        "worker.messages.record", logging.INFO, "", 1, "it: %s", (message,), exc_info
    )


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_control_characters_in_a_log_line_are_escaped(text):
    line = OneLine(FORMAT).format(record(f"a{text}b"))

    assert line.isprintable()
    assert line.endswith("b")


def test_printable_text_of_every_script_is_logged_unchanged():
    assert (
        OneLine(FORMAT)
        .format(record("größe 東京 \\n"))
        .endswith("worker.messages.record: it: größe 東京 \\n")
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


def test_a_record_is_one_json_object():
    known = record("x")
    known.created = 1_700_000_000.1239
    known.fields = {"commandId": "c-1", "runMs": 3}

    line = JsonLine().format(known)

    assert json.loads(line) == {
        "timestamp": "2023-11-14T22:13:20.123Z",
        "level": "info",
        "logger": "worker.messages.record",
        "message": "it: x",
        "commandId": "c-1",
        "runMs": 3,
    }


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_control_characters_in_a_json_line_stay_escaped_when_it_is_decoded(text):
    known = record(f"a{text}b")
    known.fields = {"address": f"a{text}b"}

    line = JsonLine().format(known)

    assert line.isprintable()
    decoded = json.loads(line)
    assert decoded["message"].isprintable()
    assert decoded["message"] == "it: " + decoded["address"]


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_the_traceback_of_a_json_line_is_indented_as_in_a_text(text):
    line = JsonLine().format(record("x", raised(f"a{text}b")))

    assert line.isprintable()
    exception = json.loads(line)["exception"].split("\n")
    assert len(exception) > 6
    assert all(each.startswith("    ") and each.isprintable() for each in exception)


@pytest.mark.parametrize(
    ("form", "on_terminal", "kind"),
    [
        ("auto", False, JsonLine),
        ("auto", True, OneLine),
        ("json", True, JsonLine),
        ("text", False, OneLine),
    ],
)
def test_the_format_fits_the_reader(form, on_terminal, kind):
    assert type(formatter(form, on_terminal=on_terminal)) is kind


LOGGING = (
    "import logging; from contracts.observation import logs; logs.configure('info', 'auto');"
    "logging.getLogger('worker').info('hello')"
)


def test_a_process_logs_text_on_a_terminal():
    """One end of a pseudo-terminal is a terminal."""
    reader, writer = os.openpty()
    subprocess.run([sys.executable, "-c", LOGGING], stderr=writer, check=True)
    line = os.read(reader, 4096).decode()
    os.close(reader)
    os.close(writer)

    assert line.endswith(" INFO    worker: hello\r\n")
