"""Error responses of AWS as failures with a code and a message; pure."""

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
    STATES,
    THROTTLED,
    TRANSIENT,
    TRANSIENT_MESSAGES,
)

UNAUTHORIZED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
MESSAGE_LIMIT = 2000
SECONDS = re.compile(r"[0-9]{1,6}")


class Again(Enum):
    """The condition under which a failed request may be sent again."""

    NEVER = auto()
    LOST = auto()
    """The request may have had an effect: soon, if it is idempotent."""
    LATER = auto()
    """The request was throttled or not sent: after a delay."""


class Failure(Fault):
    """The failure of a request; `aws_code` is AWS's error code or empty."""

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
        """`arrived` is true if the request may have had an effect."""
        super().__init__(code, message, retry_after=retry_after)
        self.requested_delay = retry_after or 0
        """The delay in seconds that AWS asked for."""
        self.aws_code = aws_code
        self.again = again
        self.arrived = arrived or again is Again.LOST
        self.after_loss = False
        """True if an earlier attempt of the same request may have had an effect."""


def may_have_happened(fault: Fault) -> bool:
    """Return whether one of the attempts of a failed request may have had an effect."""
    failure = fault if isinstance(fault, Failure) else fault.__cause__
    return isinstance(failure, Failure) and (failure.arrived or failure.after_loss)


def of_answer(action: str, parameters: Mapping[str, Any], error: ClientError) -> Failure:
    """Return the failure for a response other than 2xx to an action."""
    details = _mapping(error.response.get("Error"))
    metadata = _mapping(error.response.get("ResponseMetadata"))
    headers = _mapping(metadata.get("HTTPHeaders"))
    status = int(metadata.get("HTTPStatusCode", 0))
    aws_code = _own_code(_text(details.get("Code")))
    words = _words(_text(details.get("Message")) or "no reason given", aws_code, status)
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
            f"the answer has status {status} and no error code of AWS: it may come from a "
            "proxy, or PLT_ECS_ENDPOINT is not an AWS API",
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
    """Return the failure of a request that AWS did not answer before the deadline."""
    return Failure(
        Code.DEADLINE_EXCEEDED,
        f"AWS did not answer {action} before the deadline",
        arrived=True,
    )


def unexpected(action: str, reason: str) -> Failure:
    """Return the failure for a 2xx response whose body does not match the expected type."""
    return Failure(
        Code.PLATFORM_FAILED,
        f"AWS's answer to {action} does not have the expected form: {reason[:MESSAGE_LIMIT]}",
        arrived=True,
    )


def _redirected(status: int, headers: Mapping[str, Any]) -> Failure:
    """The failure for a redirection, which would send the body to another host."""
    place = _host(_text(headers.get("location")))
    return Failure(
        Code.PLATFORM_FAILED,
        f"the answer is a redirection{place} (status {status}) and is not followed, because AWS "
        "never redirects: it may come from a proxy, or PLT_ECS_ENDPOINT is not an AWS API",
    )


def _host(location: str) -> str:
    """The host of a URL, without path and query, which may contain a secret."""
    try:
        url = urlsplit(location)
        return f" to {url.scheme}://{url.hostname}" if url.scheme and url.hostname else ""
    except ValueError:
        return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """Return a text unchanged, and an empty text for any other value."""
    return value if isinstance(value, str) else ""


def _own_code(qualified: str) -> str:
    """AWS's code without its namespace; empty for a bare status number."""
    code = qualified.rpartition("#")[2]
    return "" if code.isdigit() or code == "Unknown" else code


def _code(aws_code: str, words: str) -> Code:
    if aws_code in BUSY:
        return Code.PLATFORM_FAILED
    found = CODES.get(aws_code)
    if found is Code.INVALID:
        if TRANSIENT_MESSAGES.search(words):
            return Code.PLATFORM_FAILED
        return next((code for code, states in STATES.items() if states.search(words)), found)
    if found is not None:
        return found
    return Code.NOT_FOUND if ABSENT.search(aws_code) else Code.PLATFORM_INVALID


def _words(message: str, aws_code: str, status: int) -> str:
    return f"{message[:MESSAGE_LIMIT]} (AWS: {aws_code or status})"


def _missing(action: str, words: str) -> str:
    named = UNAUTHORIZED.search(words)
    missing = named["action"] if named else action
    return f"the worker's AWS identity lacks {missing}: allow it in its IAM policy. {words}"


def _retry_after(headers: Mapping[str, Any]) -> int | None:
    text = _text(headers.get("retry-after")).strip()
    return int(text) if SECONDS.fullmatch(text) else None
