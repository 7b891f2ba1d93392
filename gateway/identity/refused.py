"""Faults of requests without valid credentials (401) and without the right (403).

The header `WWW-Authenticate` follows RFC 6750 §3. No message contains a part of a token.
"""

import re

from contracts.faults import Code, Fault

BEARER = 'Bearer realm="machinist"'
NOT_IN_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")
"""Characters that RFC 6750 §3 does not allow in `error_description`."""


class Refused(Fault):
    """A refused request; `challenge` is the value of `WWW-Authenticate`, None for no header."""

    def __init__(self, code: Code, message: str, challenge: str | None) -> None:
        super().__init__(code, message)
        self.challenge = challenge


def without_token(message: str) -> Refused:
    """Return the 401 for a request that presents no token; RFC 6750 §3.1 asks for no error code."""
    return Refused(Code.UNAUTHENTICATED, message, BEARER)


def malformed(message: str) -> Refused:
    """Return the 401 for a header Authorization that cannot be read."""
    return Refused(Code.UNAUTHENTICATED, message, _challenge("invalid_request", message))


def invalid_token(message: str) -> Refused:
    """Return the 401 for a token that is not valid."""
    return Refused(Code.UNAUTHENTICATED, message, _challenge("invalid_token", message))


def without_certificate(message: str) -> Refused:
    """Return the 403 for a client without a certificate: no header of HTTP can ask for one."""
    return Refused(Code.FORBIDDEN, message, None)


def without_right(message: str, *, has_token: bool) -> Refused:
    """Return the 403 for a subject without the right."""
    challenge = f'{BEARER}, error="insufficient_scope"' if has_token else None
    return Refused(Code.FORBIDDEN, message, challenge)


def _challenge(error: str, message: str) -> str:
    description = NOT_IN_DESCRIPTION.sub("'", message)
    return f'{BEARER}, error="{error}", error_description="{description}"'
