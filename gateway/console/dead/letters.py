"""Dead letters for operators: their properties and bodies, without readable secrets; no I/O."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec

from contracts import outcomes
from contracts.checks.json_limits import MESSAGES, decode
from contracts.records import dead_letters
from contracts.seal import is_sealed
from contracts.secrecy import may_hold_secrets
from contracts.wire import Header, Message
from gateway.console.failures import Failure
from gateway.recorder.dead_letters import provider_of

HEADER_DELIVERIES = "x-delivery-count"

OWN_HEADERS = (
    dead_letters.HEADER_REASON,
    dead_letters.HEADER_QUEUE,
    dead_letters.HEADER_USER,
    dead_letters.HEADER_DIED,
    HEADER_DELIVERIES,
    "x-acquired-count",
)
"""Headers that are shown as members of their own."""

SEVERAL = 5
"""The ids that an error names."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A dead letter: its command, and when and why it died.

    `body` is valid JSON; `sealed` is a sealed body in Base64, and `raw` one that is no JSON;
    `withheld` is the reason why there is no body. `deliveries` is the number of earlier looks.
    """

    id: str
    operation: str
    provider: str
    key: str
    reason: str
    died: datetime | None = None
    asked: datetime | None = None
    queue: str | None = None
    user: str | None = None
    app: str | None = None
    content_type: str = ""
    content_encoding: str | None = None
    headers: dict[str, Header] = {}
    deliveries: int = 0
    body: Any = None
    sealed: str | None = None
    raw: str | None = None
    withheld: str | None = None


class Filter(msgspec.Struct, frozen=True):
    """Conditions for letters; every one that is not empty must hold."""

    ids: tuple[str, ...] = ()
    provider: str = ""
    operation: str = ""
    reason: str = ""

    def matches(self, letter: DeadLetter) -> bool:
        """Tell whether a letter meets the conditions."""
        return (
            (not self.ids or letter.id.startswith(self.ids))
            and self.provider in ("", letter.provider)
            and self.operation in ("", letter.operation)
            and self.reason.casefold() in letter.reason.casefold()
        )


def dead(message: Message) -> DeadLetter:
    """Return the letter in a message."""
    headers = message.headers
    deliveries = headers.get(HEADER_DELIVERIES, 0)
    return DeadLetter(
        id=outcomes.identity(message),
        operation=message.type,
        provider=provider_of(message) or message.key.partition(".")[0],
        key=message.key,
        reason=str(headers.get(dead_letters.HEADER_REASON, "no reason given")),
        died=_died(headers.get(dead_letters.HEADER_DIED)),
        asked=outcomes.asked(message),
        queue=_text(headers.get(dead_letters.HEADER_QUEUE)),
        user=_text(headers.get(dead_letters.HEADER_USER)),
        app=message.app_id,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers={name: value for name, value in headers.items() if name not in OWN_HEADERS},
        deliveries=deliveries if isinstance(deliveries, int) else 0,
        **_body(message),
    )


def fingerprint(message: Message) -> str:
    """Return a text that equal letters share: publishers may give one id to several commands."""
    parts = (outcomes.identity(message).encode(), message.key.encode(), message.body)
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()


def check_ids(asked: Sequence[str], found: Iterable[str]) -> None:
    """Raise Failure unless each asked id is the beginning of one id."""
    known = set(found)
    for each in asked:
        matching = sorted(identity for identity in known if identity.startswith(each))
        if not matching:
            raise Failure(f"no dead letter has an id that begins with {each}: machinist dead list")
        if len(matching) > 1 and each not in known:
            some = ", ".join(matching[:SEVERAL])
            raise Failure(f"{len(matching)} dead letters have ids that begin with {each}: {some}")


def _body(message: Message) -> dict[str, Any]:
    if is_sealed(message.body):
        return {"sealed": b64encode(message.body).decode()}
    if message.content_type == dead_letters.TEXT and message.body.startswith(dead_letters.ABSENT):
        return {"withheld": message.body.decode("utf-8", "replace")}
    if may_hold_secrets(message.type, message.body):
        return {"withheld": "it may hold secrets and is not sealed"}
    try:
        return {"body": decode(message.body, MESSAGES)}
    except msgspec.DecodeError:
        return {"raw": b64encode(message.body).decode()}


def _died(text: object) -> datetime | None:
    """Return the time of death; anyone may have published the letter."""
    try:
        return msgspec.convert(text, Moment)
    except msgspec.ValidationError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
