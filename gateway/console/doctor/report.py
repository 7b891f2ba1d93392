"""Findings as text: what, its meaning, and the remedy, each on its own lines."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

import click

from contracts.printable import BREAKS, printable
from gateway.console.doctor.finding import Finding, Severity

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.UNCHECKED: "cyan"}
INDENT = "  "
PROMPT = "  $ "
COMMAND = re.compile(r"(aws|curl|kubectl|machinist|python|rabbitmq[a-z-]*) ")
"""The beginning of a line of a remedy that is a command, and not a sentence."""


def block(finding: Finding, width: int | None) -> Iterator[str]:
    """Return the lines of a finding; with a width, sentences are wrapped and commands are not."""
    word = f"{finding.severity}:"
    first, *others = _wrapped(f"{word} {finding.what}", "", width)
    yield first.replace(word, click.style(word, fg=COLOURS[finding.severity], bold=True), 1)
    yield from others
    yield from _wrapped(finding.meaning, INDENT, width)
    for line in finding.remedy.splitlines():
        is_command = COMMAND.match(line)
        yield from [PROMPT + printable(line)] if is_command else _wrapped(line, INDENT, width)
    yield ""


def summary(findings: Iterable[Finding]) -> str:
    """Return the numbers of findings by severity."""
    counts = Counter(finding.severity for finding in findings)
    found = [
        f"{counts[each]} {each}{'s' * (counts[each] > 1)}"
        for each in (Severity.ERROR, Severity.WARNING)
        if counts[each]
    ]
    return f"{', '.join(found) or 'no findings'}, {counts[Severity.UNCHECKED]} not checked"


def _wrapped(text: str, indent: str, width: int | None) -> list[str]:
    text = printable(text, keep=BREAKS).replace("\n", " ")
    if width is None:
        return [indent + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
