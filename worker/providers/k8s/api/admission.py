"""Recognises that admission refused a request, whatever status it chose for that; pure.

A validating webhook answers with any status, and the API server passes the status on: 404 does not
say that the object is absent, 409 not that another writer was faster, 401 nothing about a token. A
ValidatingAdmissionPolicy chooses among 401, 403, 413 and 422. The API server puts its own words in
front of theirs, so the beginning of the message says who spoke.
"""

import re

from contracts.faults import Code

DENIAL = re.compile(
    r'(?P<webhook>admission webhook "[^"]*") denied the request'
    r'|\S+(?: "[^"]*")? is forbidden: '
    r"(?P<policy>ValidatingAdmissionPolicy '[^']*'(?: with binding '[^']*')?) denied request"
)
INVALID_STATUS = 422


def denied_by(message: str | None) -> str | None:
    """Return the webhook or policy that refused, None where the message is from anyone else."""
    found = DENIAL.match(message or "")
    return None if found is None else found["webhook"] or found["policy"]


def code_of(status: int) -> Code:
    """Return the code of a refusal by admission: invalid where it says so, else forbidden."""
    return Code.PLATFORM_INVALID if status == INVALID_STATUS else Code.PLATFORM_FORBIDDEN
