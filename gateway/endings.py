"""What to publish of a command that the broker ended; pure, knows no connection."""

import re
from typing import Annotated, Any

import msgspec

from contracts import VERSION, outcomes
from contracts.address import PROVIDER, SLOTS
from contracts.faults import Code, Fault
from contracts.outcomes import Result
from contracts.topology import COMMANDS, DELIVERY_LIMIT, ENDED, EVENTS
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
STRANGE = "it came from no partition: somebody put it into machinist.ended himself"

REASONS = {
    "delivery_limit": Fault(
        Code.PLATFORM_FAILED,
        f"it was handed to workers more than {DELIVERY_LIMIT} times and none of them settled it: "
        "each crashed, was stopped or lost its connection meanwhile",
    ),
    "rejected": Fault(
        Code.PLATFORM_FAILED,
        "somebody other than machinist's workers consumed it from its partition and rejected it",
    ),
    "maxlen": Fault(
        Code.QUEUE_FULL, "its partition was full and a policy has it drop the oldest commands"
    ),
}


class Death(msgspec.Struct, frozen=True, rename={"expiration": "original-expiration"}):
    """What the broker wrote about the end: why, in which queue, and where it had been published.

    `expiration`, in milliseconds, is what the broker took off the message.
    """

    reason: str
    queue: str
    exchange: str
    expiration: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}\Z")] | None = None

    @property
    def provider(self) -> str | None:
        """Whose partition it was; None of any other queue."""
        partition = PARTITION.fullmatch(self.queue)
        return None if partition is None else partition[1]


def endings(message: Message, *, started: bool, user: str | None) -> list[Message]:
    """What has to be published: a dead letter unless it merely expired, and the outcome.

    `started` is whether a worker may have begun; `user` is the gateways' on the broker.
    """
    death = death_of(message)
    provider = None if death is None else death.provider
    if death is None or provider is None:
        return [outcomes.dead_letter(message, STRANGE, ENDED, APP)]
    original = _original(message, death, user)
    result, fault = _judged(death, started)
    outcome = outcomes.outcome_of(
        original, provider, result, finished=outcomes.now(), **outcomes.failure(fault)
    )
    record = outcomes.message_of(outcome, APP, message.headers.get(HEADER_TRACEPARENT))
    if result is not Result.DEAD:
        return [record]
    return [outcomes.dead_letter(original, fault.message, death.queue, APP), record]


def remains(message: Message) -> Message:
    """A dead letter of a message that we fail to read: its body, and nothing that could fail."""
    safe = Message(exchange=ENDED, key="", body=message.body, type="", message_id="")
    return outcomes.dead_letter(safe, "it could not be read; see the gateway's log", ENDED, APP)


def death_of(message: Message) -> Death | None:
    """What the broker wrote, None where it wrote nothing.

    The broker puts the newest death first. All other headers may be the publisher's own words.
    """
    deaths: Any = message.headers.get("x-death")
    try:
        return msgspec.convert(deaths[0], Death)
    except (TypeError, LookupError, msgspec.ValidationError):
        return None


def _judged(death: Death, started: bool) -> tuple[Result, Fault]:
    if death.reason == "expired":
        return (Result.UNKNOWN, LOST) if started else (Result.EXPIRED, EXPIRED)
    unforeseen = Fault(Code.PLATFORM_FAILED, f"the broker ended it: {death.reason[:80]}")
    return Result.DEAD, REASONS.get(death.reason, unforeseen)


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
