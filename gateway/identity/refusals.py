"""Audit records of commands without authentication or right, at a limited rate.

Every client of the gateway can cause such records. The limits protect the audit, whose stream has a
limited size, and the memory of the gateway.
"""

import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from contracts import outcomes, topology
from contracts.address import address_of, is_provider_name
from contracts.faults import Fault
from contracts.operation import Row
from contracts.outcomes import Outcome
from contracts.records.requests import Request
from contracts.records.results import Result
from contracts.wire import Header

log = logging.getLogger(__name__)

NOT_READ = "the request was refused before its body was read"
PEER_BURST = 10
PEER_INTERVAL_S = 10.0
"""The time after which a client may cause one more record."""

TOTAL_BURST = 50
TOTAL_INTERVAL_S = 1.0
PEERS = 1024
WARNING_INTERVAL_S = 60.0
IPV6_PREFIX = 64
"""An IPv6 client can use every address of its network."""

Record = Callable[[Outcome, Header | None], None]


class RefusedCommand(Struct, frozen=True, kw_only=True):
    """A refused command: the parts in its path and headers, and the address of its client."""

    row: Row
    command_id: str
    provider: str
    scope: str
    name: str | None
    requested_by: str | None
    client: str | None
    traceparent: str | None = None


class Allowance:
    """A token bucket: a number of records at once, and one more after each interval."""

    def __init__(self, burst: int, interval_s: float, now: float) -> None:
        self._burst = burst
        self._interval_s = interval_s
        self._left = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Tell whether one more record is allowed, and count it."""
        self._left = min(self._burst, self._left + (now - self._at) / self._interval_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Refusals:
    """Records refused commands, within a limit per client and one for all clients."""

    def __init__(self, record: Record, now: Callable[[], float] = time.monotonic) -> None:
        """`record` publishes an outcome with a trace context; `now` returns seconds."""
        self._record = record
        self._now = now
        self._peers: OrderedDict[str, Allowance] = OrderedDict()
        self._total = Allowance(TOTAL_BURST, TOTAL_INTERVAL_S, now())
        self._dropped = 0
        self._next_warning = now()

    def add(self, command: RefusedCommand, fault: Fault) -> None:
        """Record a refused command, unless its provider cannot exist or a limit is reached."""
        if not is_provider_name(command.provider):
            return
        now = self._now()
        if self._allowance(_peer(command.client), now).take(now) and self._total.take(now):
            self._record(outcome_of(command, fault), command.traceparent)
            return
        self._dropped += 1
        if now >= self._next_warning:
            self._next_warning = now + WARNING_INTERVAL_S
            log.warning(
                "%d refused commands are not in the audit: their clients sent too many, the last "
                "one was %s",
                self._dropped,
                command.client,
            )
            self._dropped = 0

    def _allowance(self, peer: str, now: float) -> Allowance:
        allowance = self._peers.pop(peer, None)
        if allowance is None:
            allowance = Allowance(PEER_BURST, PEER_INTERVAL_S, now)
            if len(self._peers) >= PEERS:
                self._peers.popitem(last=False)
        self._peers[peer] = allowance
        return allowance


def outcome_of(command: RefusedCommand, fault: Fault) -> Outcome:
    """Return the outcome of a refused command; its body is not known."""
    now = outcomes.now()
    return Outcome(
        id=command.command_id,
        result=Result.REFUSED,
        operation=command.row.name,
        provider=command.provider,
        address=address_of(command.row, command.scope, command.name),
        requested_by=command.requested_by,
        asked=now,
        finished=now,
        request=Request(exchange=topology.COMMANDS, withheld=NOT_READ),
        **outcomes.failure(fault),
    )


def _peer(client: str | None) -> str:
    """Return the key of a client: an IPv4 address, or the network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
