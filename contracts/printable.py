"""Text from other parties, made safe for a log and for a terminal: control characters escaped."""

import json

BREAKS = "\n"
"""Kept where lines are ours: a message of several lines, such as a list of wrong variables."""


def printable(text: str, keep: str = "") -> str:
    """Return the text with every character that is not printable as its escape, `\\n` or `\\x1b`.

    A line break or an escape sequence in a name, a header or a platform's message would otherwise
    write lines that look like ours, or control the reader's terminal. Characters of `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text
    )


def printable_json(text: str) -> str:
    """Return JSON that means the same, in which nothing but printable characters occurs.

    RFC 8259 requires escapes only below U+0020; U+009B begins an escape sequence all the same.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
