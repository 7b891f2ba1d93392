"""What AWS answered instead of a result, as failures with codes and words; pure."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from contracts.faults import Code, Fault
from worker.providers.ecs.aws.error_codes import (
    ABSENT,
    BUSY,
    CODES,
    CREDENTIALS,
    NO_CLUSTER,
    PASSING,
    STATES,
    THROTTLED,
    TRANSIENT,
)

RIGHT = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
MESSAGE_LIMIT = 2000
SECONDS = re.compile(r"[0-9]{1,6}")


class Again(Enum):
    """When a request that failed may be sent again."""

    NEVER = auto()
    LOST = auto()
    """It may have had its effect: soon, if sending twice has one effect."""
    LATER = auto()
    """It was turned away or did not leave: after a while."""


class Failure(Fault):
    """A request failed; `aws_code` is AWS's own word for it, empty where AWS said none."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        aws_code: str = "",
        again: Again = Again.NEVER,
        arrived: bool = False,
        retry_after: int | None = None,
    ) -> None:
        """`arrived` says that it may have had its effect all the same."""
        super().__init__(code, message, retry_after=retry_after)
        self.wish = retry_after or 0
        """The seconds that AWS itself asked to wait."""
        self.aws_code = aws_code
        self.again = again
        self.arrived = arrived or again is Again.LOST
        self.after_loss = False
        """Whether an earlier attempt of this very request may have had its effect."""


def may_have_happened(fault: Fault) -> bool:
    """Whether the request that failed may have had its effect, in one of its attempts."""
    failure = fault if isinstance(fault, Failure) else fault.__cause__
    return isinstance(failure, Failure) and (failure.arrived or failure.after_loss)


def of_answer(action: str, parameters: Mapping[str, Any], error: ClientError) -> Failure:
    """Return the failure that an answer other than 2xx means; `action` is what was asked for."""
    said = _mapping(error.response.get("Error"))
    about = _mapping(error.response.get("ResponseMetadata"))
    headers = _mapping(about.get("HTTPHeaders"))
    status = int(about.get("HTTPStatusCode", 0))
    aws_code = _own_code(_text(said.get("Code")))
    words = _words(_text(said.get("Message")) or "no reason given", aws_code, status)
    if 300 <= status < 400:
        return _redirected(status, headers)
    if aws_code in THROTTLED or status == 429:
        after = _retry_after(headers)
        return Failure(
            Code.PLATFORM_LIMITING, words, aws_code=aws_code, again=Again.LATER, retry_after=after
        )
    if aws_code in CREDENTIALS:
        words = f"AWS did not accept the worker's credentials: {words}"
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code)
    if status >= 500 or aws_code in TRANSIENT:
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code, again=Again.LOST)
    if not aws_code:
        return Failure(
            Code.PLATFORM_FAILED,
            f"the answer has status {status} where AWS would explain itself: it may come from a "
            "proxy, or PLT_ECS_ENDPOINT is no AWS API",
        )
    code = _code(aws_code, words)
    if code is Code.PLATFORM_FAILED:
        again = Again.NEVER if aws_code in CODES and CODES[aws_code] is code else Again.LATER
        return Failure(code, words, aws_code=aws_code, again=again)
    if code is Code.PLATFORM_FORBIDDEN:
        words = _missing(action, words)
    if aws_code == NO_CLUSTER:
        words = f'there is no cluster "{parameters.get("cluster")}": {words}'
    return Failure(code, words, aws_code=aws_code)


def no_credentials(reason: str) -> Failure:
    """Return the failure of a request that could not be signed; nothing was sent."""
    return Failure(Code.PLATFORM_FAILED, f"the worker has no AWS credentials: {reason}")


def credentials_overdue(action: str) -> Failure:
    """Return the failure of a request whose deadline passed while credentials were renewed."""
    return Failure(
        Code.DEADLINE_EXCEEDED,
        f"the worker's AWS credentials were not renewed before the deadline, {action} was not sent",
    )


def overdue(action: str) -> Failure:
    """The failure that the deadline is when it comes before the answer."""
    return Failure(
        Code.DEADLINE_EXCEEDED,
        f"AWS did not answer {action} before the deadline",
        arrived=True,
    )


def nonsense(action: str, reason: str) -> Failure:
    """The failure that a successful answer is which is not what was asked for."""
    return Failure(
        Code.PLATFORM_FAILED,
        f"AWS's answer to {action} is not what was asked for: {reason[:MESSAGE_LIMIT]}",
        arrived=True,
    )


def _redirected(status: int, headers: Mapping[str, Any]) -> Failure:
    """AWS never redirects a request, and following would hand its body to somebody else."""
    place = _place(_text(headers.get("location")))
    return Failure(
        Code.PLATFORM_FAILED,
        f"the answer is a redirection{place} (status {status}), which AWS never gives and which is "
        "not followed: it may come from a proxy, or PLT_ECS_ENDPOINT is no AWS API",
    )


def _place(location: str) -> str:
    """The host that an answer leads to: the rest of an address may hold a secret."""
    try:
        place = urlsplit(location)
        return f" to {place.scheme}://{place.hostname}" if place.scheme and place.hostname else ""
    except ValueError:
        return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """A text as it is; anything else stands where AWS has a text, and may be nested at will."""
    return value if isinstance(value, str) else ""


def _own_code(said: str) -> str:
    """AWS's code without its namespace; a bare status number is none."""
    code = said.rpartition("#")[2]
    return "" if code.isdigit() or code == "Unknown" else code


def _code(aws_code: str, words: str) -> Code:
    if aws_code in BUSY:
        return Code.PLATFORM_FAILED
    found = CODES.get(aws_code)
    if found is Code.INVALID:
        if PASSING.search(words):
            return Code.PLATFORM_FAILED
        return next((code for code, states in STATES.items() if states.search(words)), found)
    if found is not None:
        return found
    return Code.NOT_FOUND if ABSENT.search(aws_code) else Code.PLATFORM_INVALID


def _words(message: str, aws_code: str, status: int) -> str:
    return f"{message[:MESSAGE_LIMIT]} (AWS: {aws_code or status})"


def _missing(action: str, words: str) -> str:
    named = RIGHT.search(words)
    missing = named["action"] if named else action
    return f"the worker's AWS identity lacks {missing}: allow it in its IAM policy. {words}"


def _retry_after(headers: Mapping[str, Any]) -> int | None:
    text = _text(headers.get("retry-after")).strip()
    return int(text) if SECONDS.fullmatch(text) else None
