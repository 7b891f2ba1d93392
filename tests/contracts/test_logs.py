"""Logs: no peer writes a line of its own, or to the terminal of whoever reads it."""

import json
import logging
import subprocess
import sys

import pytest

from contracts.logs import FORMAT, OneLine
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
    """A record with the message as an argument."""
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("worker.record", logging.INFO, "", 1, "it: %s", (message,), exc_info)


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_control_characters_of_a_peer_are_escaped_in_a_line_of_the_log(text):
    line = OneLine(FORMAT).format(record(f"a{text}b"))

    assert line.isprintable()
    assert line.endswith("b")


def test_words_in_any_language_stay_as_they_are_in_the_log():
    assert (
        OneLine(FORMAT)
        .format(record("größe 東京 \\n"))
        .endswith("worker.record: it: größe 東京 \\n")
    )


def raised(message: str) -> BaseException:
    """An exception with a traceback, whose cause says the same."""
    try:
        try:
            raise ValueError(message)
        except ValueError as cause:
            raise RuntimeError(message) from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_a_traceback_is_indented_and_what_an_exception_says_is_escaped(text):
    first, *rest = OneLine(FORMAT).format(record("x", raised(f"a{text}b"))).split("\n")

    assert first.endswith("it: x")
    assert len(rest) > 6
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_a_process_that_configures_its_log_writes_one_line_for_each_record():
    told = "import logging; from contracts import logs; logs.configure('info');"
    told += f"logging.getLogger('worker').info('it: %s', {FORGED!r})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    [line] = done.stderr.splitlines()
    assert line.endswith(" INFO    worker: it: " + FORGED.replace("\r\n", "\\r\\n"))


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_json_for_a_terminal_means_the_same_and_is_printable(text):
    raw = json.dumps({"a": text}, ensure_ascii=False)

    assert printable_json(raw).isprintable()
    assert json.loads(printable_json(raw)) == {"a": text}


def test_the_breaks_of_a_message_of_several_lines_can_be_kept():
    assert printable("a\n\x1b[0mb", keep=BREAKS) == "a\n\\x1b[0mb"
