"""Recognise refusals by admission control, independent of their HTTP status; pure.

A validating webhook may answer with any status, and the API server passes the status on: 404 then
does not mean that the object is absent, 409 not that another writer was faster, 401 not that the
token is invalid. A ValidatingAdmissionPolicy chooses among 401, 403, 413 and 422. The API server
prefixes such a message, so the prefix identifies the webhook or policy.
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
    """Return the webhook or policy that refused the request; None for any other message."""
    found = DENIAL.match(message or "")
    return None if found is None else found["webhook"] or found["policy"]


def code_of(status: int) -> Code:
    """Return the code of a refusal by admission: invalid for 422, else forbidden."""
    return Code.PLATFORM_INVALID if status == INVALID_STATUS else Code.PLATFORM_FORBIDDEN
