"""What to publish of a command that the broker ended; pure, knows no connection."""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec

from contracts import VERSION, dead_letters, outcomes
from contracts.address import PROVIDER, SLOTS, is_provider_name
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.requests import operation_in, request_of
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
    Code.DEADLINE_EXCEEDED, "it waited past its deadline and was never started; nothing was done"
)
LOST = Fault(
    Code.DEADLINE_EXCEEDED,
    "a worker started it and was lost, and its deadline passed; it may or may not have happened",
)
UNTOLD = Fault(
    Code.DEADLINE_EXCEEDED,
    "it waited past its deadline, and the audit does not tell whether a worker had started it and "
    "was lost; it may or may not have happened",
)
TURNED_AWAY = Fault(Code.FORBIDDEN, "header x-death: expected none, only the broker writes it")
STRANGE = "it came from no partition: somebody put it into machinist.ended himself"

CLOCKS_S = 10
"""By so much a publisher's clock may differ from the broker's."""

LONGEST_S = (PARTITION_TTL_MS + 30 * MINUTE_MS) / 1000
"""A worker may hold a command beyond its end, until the broker's time for consumers is up."""

REASONS = {
    "delivery_limit": Fault(
        Code.PLATFORM_FAILED,
        f"it was handed to workers more than {DELIVERY_LIMIT} times and none of them settled it: "
        "each crashed, was stopped or lost its connection meanwhile",
    ),
    "rejected": Fault(
        Code.PLATFORM_FAILED,
        "a worker could not run it and found machinist.dead full, or somebody other than "
        "machinist's workers consumed it from its partition; either rejected it",
    ),
    "maxlen": Fault(
        Code.QUEUE_FULL, "its partition was full and a policy has it drop the oldest commands"
    ),
}


class Death(msgspec.Struct, frozen=True, rename={"expiration": "original-expiration"}):
    """What the broker wrote about the end: why, in which queue, and where it had been published.

    `expiration`, in milliseconds, is what the broker took off the message; `time` is when.
    """

    reason: str
    queue: str
    exchange: str
    time: Any = None
    expiration: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}\Z")] | None = None

    @property
    def provider(self) -> str | None:
        """Whose partition it was; None of any other queue."""
        partition = PARTITION.fullmatch(self.queue)
        return None if partition is None else partition[1]


class Expiry(msgspec.Struct, frozen=True):
    """A command that expired, and the moment since which it may have been in the audit."""

    provider: str
    identity: str
    since: datetime


def expiry(message: Message, user: str | None) -> Expiry | None:
    """What to ask of a message, None unless it expired; `user` is the gateways' on the broker."""
    death = death_of(message)
    if death is None or death.provider is None or death.reason != "expired":
        return None
    original = _original(message, death, user)
    if _is_check(original):
        return None
    since = _published(original, death)
    return Expiry(death.provider, outcomes.identity(message), since)


def endings(
    message: Message, *, started: bool | None, user: str | None, seals: Seals
) -> list[Message]:
    """What has to be published, in this order: the outcome, and a dead letter unless it expired.

    What came from no partition has a dead letter alone. The outcome counts, and no queue refuses it
    for long; the letter may have to wait for room.

    `started` is whether a worker had begun, None where nobody can tell; it counts for what expired.
    `seals` open sealed bodies, for the summary of the request in the record.
    """
    if message.exchange == EVENTS:
        return _turned_away(message, seals)
    death = death_of(message)
    provider = None if death is None else death.provider
    if death is None or provider is None:
        return [dead_letters.dead_letter(message, STRANGE, ENDED, APP)]
    original = _original(message, death, user)
    if _is_check(original):
        return []
    result, fault = _judged(death, started)
    record = _record(original, provider, result, fault, seals)
    if result is not Result.DEAD:
        return [record]
    return [record, dead_letters.dead_letter(original, fault.message, death.queue, APP)]


def remains(message: Message) -> Message:
    """A dead letter of a message that we fail to read: its body, and nothing that could fail."""
    safe = Message(exchange=ENDED, key="", body=message.body, type="", message_id="")
    return dead_letters.dead_letter(safe, "it could not be read; see the gateway's log", ENDED, APP)


def death_of(message: Message) -> Death | None:
    """What the broker wrote, None where it wrote nothing.

    The broker puts the newest death first. All other headers may be the publisher's own words, and
    so is this one where it came straight from the gate.
    """
    deaths: Any = message.headers.get("x-death") if message.exchange == ENDED else None
    try:
        return msgspec.convert(deaths[0], Death)
    except (TypeError, LookupError, msgspec.ValidationError):
        return None


def _turned_away(message: Message, seals: Seals) -> list[Message]:
    """What the gate before the commands did not let pass."""
    provider = message.key.split(".")[0]
    letter = dead_letters.dead_letter(message, TURNED_AWAY.message, ENDED, APP)
    if not is_provider_name(provider):
        return [letter]
    return [_record(message, provider, Result.DEAD, TURNED_AWAY, seals), letter]


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


def _judged(death: Death, started: bool | None) -> tuple[Result, Fault]:
    if death.reason == "expired" and started is False:
        return Result.EXPIRED, EXPIRED
    if death.reason == "expired":
        return Result.UNKNOWN, LOST if started else UNTOLD
    unforeseen = Fault(Code.PLATFORM_FAILED, f"the broker ended it: {death.reason[:80]}")
    return Result.DEAD, REASONS.get(death.reason, unforeseen)


def _is_check(original: Message) -> bool:
    """Tell whether a gateway checked a partition with it, which no worker consumed in time."""
    return original.exchange == COMMANDS and original.type == ATTENDANCE


def _published(original: Message, death: Death) -> datetime:
    """A moment before a command was published, by the broker's clock.

    It waited for its time to live at least, and for longer behind another command or in the hands
    of a worker: then its publisher's word counts. Who says nothing may have waited for longest.
    """
    ended = (death.time if isinstance(death.time, datetime) else outcomes.now()).timestamp()
    waited = min(original.expiration or PARTITION_TTL_MS, PARTITION_TTL_MS) / 1000
    asked = outcomes.asked(original)
    since = ended - PARTITION_TTL_MS / 1000
    if asked is not None:
        since = min(ended - waited, max(asked.timestamp(), ended - LONGEST_S))
    return outcomes.at(max(0, since - CLOCKS_S))


def _original(message: Message, death: Death, user: str | None) -> Message:
    """The message as it was published.

    A publisher that writes `x-death` himself, with the right queue and reason, has the broker count
    that one up and keep its exchange. So who is no gateway has published an event.
    """
    is_ours = death.exchange == COMMANDS and message.user_id == user
    return msgspec.structs.replace(
        message,
        exchange=COMMANDS if is_ours else EVENTS,
        expiration=None if death.expiration is None else int(death.expiration),
    )
