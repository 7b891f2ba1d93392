"""Escapes control characters in untrusted text, for logs and terminals."""

import json

BREAKS = "\n"
"""The value of `keep` for our own messages of several lines, such as a list of wrong variables."""


def printable(text: str, keep: str = "") -> str:
    """Return the text with escapes such as `\\n` and `\\x1b` for characters that are not printable.

    Otherwise a line break in a name, a header or a platform's message could forge a log line, and
    an escape sequence could control the reader's terminal. Characters in `keep` are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text
    )


def printable_json(text: str) -> str:
    """Return equivalent JSON with printable characters only.

    RFC 8259 requires escapes only below U+0020, but U+009B begins a terminal escape sequence too.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
