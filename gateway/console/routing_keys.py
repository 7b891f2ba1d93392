"""The routing key of a command, for operators who publish it by hand; no I/O."""

from contracts import address
from contracts.api import OPERATIONS
from contracts.checks.validation import checked
from contracts.field_types import Name

COMMANDS = {name: operation.row for name, operation in OPERATIONS.items() if not operation.row.safe}


def routing_key(operation: str, scope: str, name: str, provider: str) -> str:
    """Return `<provider>.<slot>.<address>` of one of `COMMANDS`; raise `invalid`."""
    row = COMMANDS[operation]
    where = address.address_of(row, checked(scope, Name, "SCOPE"), checked(name, Name, "NAME"))
    return address.routing_key(provider, row, where)
