"""A new token for a client of gateways; no I/O."""

from datetime import UTC, datetime, timedelta

from contracts.faults import Code, Fault
from contracts.validation import show
from gateway.identity import tokens
from gateway.identity.requester import is_name


def token_and_line(subject: str, days: int | None) -> tuple[str, str]:
    """Return a new token, and its line for the file of tokens; raise `invalid`.

    The token is valid for a number of days, forever if `days` is None.
    """
    if not is_name(subject) or " " in subject or subject.startswith("#"):
        expected = "1 to 255 printable characters without spaces, and no '#' at the beginning"
        raise Fault(Code.INVALID, f"--subject: expected {expected}, got {show(subject)}")
    token = tokens.new_token()
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    return token, tokens.line_of(token, subject, expires)
