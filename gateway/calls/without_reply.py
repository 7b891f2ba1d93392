"""Fails calls that get no reply: after a lost connection, or without a worker."""

import asyncio
import logging
from collections.abc import Callable, Collection

from contracts.broker.attendance import Attendance
from contracts.broker.errors import BrokerError
from contracts.faults import Code, Fault
from gateway.calls.session import Pending, unattended

log = logging.getLogger(__name__)

WATCH_S = 0.25
UNCONFIRMED_S = 2.0
"""The wait for the reply to a command that was unconfirmed when its connection was lost."""

Calls = Callable[[], Collection[Pending]]
"""Returns the calls that wait for a reply."""


def abandon_unconfirmed(calls: Collection[Pending]) -> None:
    """Fail the unconfirmed commands of a connection that the broker closed, after a short wait.

    The partition has such a command already, or will never receive it, so a repeat comes after it.
    A broker that was only silent may read the command later, until its deadline.
    """
    for pending in calls:
        if not pending.safe and not pending.is_confirmed:
            fault = Fault(
                Code.DEADLINE_EXCEEDED,
                f"the connection to the broker was lost before it confirmed "
                f"{pending.message.type}; it may or may not have taken effect",
            )
            asyncio.get_running_loop().call_later(UNCONFIRMED_S, pending.fail, fault)


async def fail_unattended(calls: Calls, attendance: Attendance) -> None:
    """Fail the queries of a provider without workers; its commands may have been run.

    A worker that stops announces `draining` first, and may still answer the queries it has.
    """
    while True:
        await asyncio.sleep(WATCH_S)
        for provider in {each.provider for each in calls() if each.safe}:
            queries = [each for each in calls() if each.safe and each.provider == provider]
            try:
                if attendance.is_draining(provider) or await attendance.is_attended(provider):
                    continue
            except BrokerError as error:
                log.debug("the attendance of %s is not known: %s", provider, error)
                continue
            for pending in queries:
                pending.fail(unattended(provider))
