"""Rows of the page: what it shows of a record; no I/O."""

from datetime import datetime

import msgspec

from contracts.outcomes import Outcome, Result
from gateway.audit.filters import time_of
from gateway.audit.text import reason, what

TEXT_LIMIT = 300


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record. `at` is in milliseconds of the Unix epoch; `waited` is the time from the request
    to the start, `took` that from the start to the end, both in milliseconds.
    """

    offset: int
    id: str
    result: Result
    operation: str
    provider: str
    address: str
    by: str
    at: int
    waited: int | None = None
    took: int | None = None
    what: str = ""
    status: int | None = None

    @property
    def scope(self) -> str:
        """The scope in the address, empty if the command had an invalid one."""
        return scope_of(self.address)

    @property
    def is_final(self) -> bool:
        """True unless the command is still running."""
        return self.result is not Result.STARTED


def row_of(offset: int, outcome: Outcome, started: Row | None = None) -> Row:
    """Return the row of a record; the request of a failed command is in its row `started`."""
    text = what(outcome)
    if started and outcome.before is None and outcome.after is None:
        text = " - ".join(filter(None, (started.what, reason(outcome))))
    return Row(
        offset=offset,
        id=outcome.id,
        result=outcome.result,
        operation=outcome.operation,
        provider=outcome.provider,
        address=outcome.address,
        by=(outcome.requested_by or outcome.user or "-")[:TEXT_LIMIT],
        at=int(time_of(outcome).timestamp() * 1000),
        waited=_milliseconds(outcome.asked, outcome.started),
        took=_milliseconds(outcome.started, outcome.finished),
        what=text[:TEXT_LIMIT],
        status=outcome.status,
    )


def scope_of(address: str) -> str:
    """Return the scope of an address, empty if there is none."""
    return f"{address}.".split(".")[1]


def _milliseconds(since: datetime | None, until: datetime | None) -> int | None:
    """Return the time between two moments; clocks of two processes may differ a little."""
    if since is None or until is None:
        return None
    return max(0, int((until - since).total_seconds() * 1000))
