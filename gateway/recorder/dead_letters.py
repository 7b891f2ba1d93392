"""Records of commands that the broker dead-lettered; pure, without I/O."""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec

from contracts import VERSION, outcomes
from contracts.address import PROVIDER, SLOTS, is_provider_name
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.records import dead_letters
from contracts.records.requests import operation_in, request_of
from contracts.seal import Seals
from contracts.topology import (
    ATTENDANCE,
    COMMANDS,
    DELIVERY_LIMIT,
    ENDED,
    EVENTS,
    MINUTE_MS,
    PARTITION_TTL_MS,
)
from contracts.wire import HEADER_TRACEPARENT, Message

APP = f"gateway/{VERSION}"
PARTITION = re.compile(rf"machinist\.({PROVIDER.pattern})\.commands\.[0-{SLOTS - 1}]")

EXPIRED = Fault(
    Code.DEADLINE_EXCEEDED,
    "the command waited past its deadline and was never started; nothing was done",
)
LOST = Fault(
    Code.DEADLINE_EXCEEDED,
    "a worker started the command and was lost, and the deadline passed; the command may or may "
    "not have taken effect",
)
START_UNKNOWN = Fault(
    Code.DEADLINE_EXCEEDED,
    "the command waited past its deadline, and the audit does not tell whether a worker that was "
    "lost had started it; the command may or may not have taken effect",
)
FORGED_X_DEATH = Fault(Code.FORBIDDEN, "header x-death: expected none, only the broker writes it")
NOT_FROM_PARTITION = (
    "the message did not come from a partition: it was published to machinist.ended directly"
)

CLOCK_SKEW_S = 10
"""The largest expected difference between the clocks of a publisher and the broker."""

LONGEST_S = (PARTITION_TTL_MS + 30 * MINUTE_MS) / 1000
"""A worker may hold an expired command until the broker's consumer timeout (30 minutes)."""

REASONS = {
    "delivery_limit": Fault(
        Code.PLATFORM_FAILED,
        f"the command was delivered to workers more than {DELIVERY_LIMIT} times and never "
        "acknowledged: each worker crashed, was stopped or lost its connection meanwhile",
    ),
    "rejected": Fault(
        Code.PLATFORM_FAILED,
        "a consumer of the partition rejected it: either a worker that could not run the command "
        "and found machinist.dead full, or a consumer that is not a worker of machinist",
    ),
    "maxlen": Fault(
        Code.QUEUE_FULL, "the partition was full, and a policy makes it drop the oldest commands"
    ),
}


class XDeath(msgspec.Struct, frozen=True, rename={"expiration": "original-expiration"}):
    """The newest entry of the header `x-death`, which the broker writes.

    `reason`, `queue` and `time` are those of the dead-lettering, `exchange` is the exchange of the
    publish, and `expiration` the property that the broker removed (ms).
    """

    reason: str
    queue: str
    exchange: str
    time: Any = None
    expiration: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}\Z")] | None = None

    @property
    def provider(self) -> str | None:
        """The provider that the partition belongs to; None if the queue is no partition."""
        partition = PARTITION.fullmatch(self.queue)
        return None if partition is None else partition[1]


class Expiry(msgspec.Struct, frozen=True):
    """An expired command, and the earliest possible time of its records in the audit."""

    provider: str
    identity: str
    since: datetime


def expiry(message: Message, user: str | None) -> Expiry | None:
    """Return the expiry of an expired message, else None; `user` is the gateway's broker user."""
    death = x_death_of(message)
    if death is None or death.provider is None or death.reason != "expired":
        return None
    original = _original(message, death, user)
    if _is_check(original):
        return None
    since = _published(original, death)
    return Expiry(death.provider, outcomes.identity(message), since)


def records_for(
    message: Message, *, started: bool | None, user: str | None, seals: Seals
) -> list[Message]:
    """Return the outcome, then the dead letter unless the command expired.

    A message that did not come from a partition becomes a dead letter only. The outcome is first:
    the queue of dead letters may be full, while queues of outcomes reject only briefly.

    `started` is true if a worker had started an expired command, None if unknown. `seals` open
    sealed bodies for the summary of the request in the record.
    """
    if message.exchange == EVENTS:
        return _with_forged_x_death(message, seals)
    death = x_death_of(message)
    provider = None if death is None else death.provider
    if death is None or provider is None:
        return [dead_letters.dead_letter(message, NOT_FROM_PARTITION, ENDED, APP)]
    original = _original(message, death, user)
    if _is_check(original):
        return []
    result, fault = _result(death, started)
    record = _record(original, provider, result, fault, seals)
    if result is not Result.DEAD:
        return [record]
    return [record, dead_letters.dead_letter(original, fault.message, death.queue, APP)]


def provider_of(letter: Message) -> str:
    """Return the provider of a dead letter, "" if it did not come from a partition."""
    partition = PARTITION.fullmatch(str(letter.headers.get(dead_letters.HEADER_QUEUE)))
    return "" if partition is None else partition[1]


def unreadable_dead_letter(message: Message) -> Message:
    """Return a dead letter with only the body of a message that could not be processed."""
    safe = Message(exchange=ENDED, key="", body=message.body, type="", message_id="")
    reason = "the message could not be read; see the gateway's log"
    return dead_letters.dead_letter(safe, reason, ENDED, APP)


def x_death_of(message: Message) -> XDeath | None:
    """Return the newest entry of `x-death`, None if the broker wrote none.

    The broker puts the newest entry first. Any other header may be written by the publisher, and so
    may this one in a message from the gate for events.
    """
    deaths: Any = message.headers.get("x-death") if message.exchange == ENDED else None
    try:
        return msgspec.convert(deaths[0], XDeath)
    except (TypeError, LookupError, msgspec.ValidationError):
        return None


def _with_forged_x_death(message: Message, seals: Seals) -> list[Message]:
    """Return the records of an event that the gate refused for its header `x-death`."""
    provider = message.key.split(".")[0]
    letter = dead_letters.dead_letter(message, FORGED_X_DEATH.message, ENDED, APP)
    if not is_provider_name(provider):
        return [letter]
    return [_record(message, provider, Result.DEAD, FORGED_X_DEATH, seals), letter]


def _record(command: Message, provider: str, result: Result, fault: Fault, seals: Seals) -> Message:
    outcome = outcomes.outcome_of(
        command,
        provider,
        result,
        request=request_of(command, operation_in(command, seals), seals),
        finished=outcomes.now(),
        **outcomes.failure(fault),
    )
    return outcomes.message_of(outcome, APP, command.headers.get(HEADER_TRACEPARENT))


def _result(death: XDeath, started: bool | None) -> tuple[Result, Fault]:
    if death.reason == "expired" and started is False:
        return Result.EXPIRED, EXPIRED
    if death.reason == "expired":
        return Result.UNKNOWN, LOST if started else START_UNKNOWN
    other = Fault(Code.PLATFORM_FAILED, f"the broker dead-lettered it: {death.reason[:80]}")
    return Result.DEAD, REASONS.get(death.reason, other)


def _is_check(original: Message) -> bool:
    """Return true for a gateway's check of a partition, which expired there."""
    return original.exchange == COMMANDS and original.type == ATTENDANCE


def _published(original: Message, death: XDeath) -> datetime:
    """Return a time before the publish of a command, by the broker's clock.

    The command waited at least for its TTL, and longer behind another command or in a worker; then
    the publisher's timestamp is used. Without one, the wait is assumed to be the partitions' TTL.
    """
    ended = (death.time if isinstance(death.time, datetime) else outcomes.now()).timestamp()
    waited = min(original.expiration or PARTITION_TTL_MS, PARTITION_TTL_MS) / 1000
    asked = outcomes.asked(original)
    since = ended - PARTITION_TTL_MS / 1000
    if asked is not None:
        since = min(ended - waited, max(asked.timestamp(), ended - LONGEST_S))
    return outcomes.at(max(0, since - CLOCK_SKEW_S))


def _original(message: Message, death: XDeath, user: str | None) -> Message:
    """Return the message as it was published.

    If a publisher writes `x-death` with the matching queue and reason, the broker increments that
    entry and keeps its exchange. Therefore a message of any user but the gateways' is an event.
    """
    is_ours = death.exchange == COMMANDS and message.user_id == user
    return msgspec.structs.replace(
        message,
        exchange=COMMANDS if is_ours else EVENTS,
        expiration=None if death.expiration is None else int(death.expiration),
    )
