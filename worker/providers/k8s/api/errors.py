"""Translate error responses of the API server and connection errors into faults; pure."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from math import ceil
from time import time

import httpx
import msgspec

from contracts.checks.json_limits import ANSWERS, decode
from contracts.faults import Code, Fault
from worker.providers.k8s.api import admission
from worker.providers.k8s.objects import Status

CODES: dict[int, Code] = {
    400: Code.INVALID,
    401: Code.PLATFORM_FAILED,
    403: Code.PLATFORM_FORBIDDEN,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    413: Code.REQUEST_TOO_LARGE,
    422: Code.PLATFORM_INVALID,
}
"""Codes by HTTP status; the reason of a `Status` never changes them. Others: platform_failed."""

REJECTED: dict[int, Code] = {429: Code.PLATFORM_LIMITING, 503: Code.PLATFORM_UNREACHABLE}
"""Codes of responses with Retry-After: nothing was attempted. A 429 counts even without it."""

WITHOUT_STATUS_BODY = frozenset({401, *REJECTED})
"""HTTP statuses that are accepted without a `Status` body: overload is reported in plain text."""

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""The request was not sent: connection refused, unknown host, TLS handshake failed or timed out."""

DEADLINE_TIMEOUTS = (httpx.ReadTimeout, httpx.WriteTimeout)
"""Timeouts that end with the deadline of the call."""

BUILT_IN = ("/api/v1/", "/apis/apps/")
"""Paths of the API groups that every cluster has."""

NO_SUCH_API = b"404 page not found"
"""The plain-text body of a 404 for an API group that the cluster does not have."""

NO_SUCH_RESOURCE = "the server could not find the requested resource"
"""The message of a `Status` for a kind that the API group does not have."""

NOT_FOUND = "NotFound"
ABSENT = re.compile(r'(?P<kind>[a-z]+)(\.[a-z0-9.-]+)? "(?P<name>[^"]*)" not found')
"""The reason and the message of a `Status` for an absent object."""

RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
OBJECT = re.compile(r'Invalid value: "\{.*\}"', re.DOTALL)
"""A whole object, which the API server quotes when a patch results in a wrong type."""
MESSAGE_LIMIT = 2000


class Again(Enum):
    """When a failed request may be sent again."""

    NEVER = auto()
    LOST = auto()
    """The connection broke after the request was sent: with backoff, if idempotent."""
    LATER = auto()
    """The server rejected the request: after Retry-After."""
    CONFLICT = auto()
    """Another writer was faster inside the server: with backoff."""
    MOVED = auto()
    """The object is not in the state that was read: after another read."""
    EXPIRED = auto()
    """The snapshot of a list expired: with the token in the response, or from the start."""
    UNAUTHORIZED = auto()
    """Once, with a token that was read again."""


class Failure(Fault):
    """The failure of a request; `arrived` means that it may have taken effect."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        again: Again = Again.NEVER,
        arrived: bool = False,
        retry_after: int | None = None,
        resume: str | None = None,
    ) -> None:
        """`resume` is the continue token for a list whose snapshot expired."""
        super().__init__(code, message, retry_after=retry_after)
        self.again = again
        self.arrived = arrived
        self.resume = resume


class MissingRight(Failure):
    """The worker's user lacks a right; RBAC is checked before the object is looked up."""


class NoSuchApi(Failure):
    """The cluster does not have this API group or kind."""


class Absent(Failure):
    """The object that the request names does not exist."""


class Denied(Failure):
    """Admission refused the request, which had no effect; `by` names the webhook or policy.

    For a 404 that does not name the requested object, `by` is the API server: an admission plugin
    may choose any status.
    """

    def __init__(self, code: Code, message: str, by: str) -> None:
        super().__init__(code, message)
        self.by = by


def of_answer(
    method: str, status: int, headers: Mapping[str, str], body: bytes, path: str = ""
) -> Failure:
    """Return the failure for a response other than 2xx to a request for `path`.

    Every API server has the built-in API groups: a plain-text 404 for one comes from a proxy.
    """
    answer = _status(body)
    is_missing = status == 404 and body.strip() == NO_SUCH_API and not path.startswith(BUILT_IN)
    if answer is None and status not in WITHOUT_STATUS_BODY and not is_missing:
        return _not_from_kubernetes(status, headers)
    answer = answer or Status(message=_plain(body, headers))
    message = _message(status, answer)
    if (by := admission.denied_by(answer.message)) is not None:
        return Denied(admission.code_of(status), message, by)
    if status == 403 and (right := RIGHT.search(answer.message or "")):
        return MissingRight(Code.PLATFORM_FORBIDDEN, _missing_right(right, message))
    if is_missing or (status == 404 and answer.message == NO_SUCH_RESOURCE):
        return NoSuchApi(Code.NOT_FOUND, message)
    if status == 404:
        return _of_not_found(method, path, answer, message)
    retry_after = _retry_after(headers, answer)
    if _is_rejected(method, status, retry_after):
        return Failure(
            REJECTED.get(status, Code.PLATFORM_UNREACHABLE),
            message,
            again=Again.LATER,
            retry_after=retry_after,
        )
    return Failure(
        CODES.get(status, Code.PLATFORM_FAILED),
        _credentials(message) if status == 401 else message,
        again=_again(method, status),
        arrived=status >= 500,
        # Go encodes a missing token as an empty string.
        resume=answer.metadata.token or None if status == 410 and answer.metadata else None,
    )


def _of_not_found(method: str, path: str, answer: Status, message: str) -> Failure:
    """Return the failure for a 404, which is `Absent` only if it names the requested object.

    The object is named in the details of the `Status`, or in its message if a proxy removed them.
    """
    kind, name = (answer.details.kind, answer.details.name) if answer.details else (None, None)
    if name is None and (named := ABSENT.fullmatch(answer.message or "")):
        kind, name = named["kind"], named["name"]
    if answer.reason == NOT_FOUND and [kind, name] == path.split("/")[-2:]:
        return Absent(Code.NOT_FOUND, message)
    if method == "GET" or (kind == "namespaces" and f"/namespaces/{name}/" in path):
        return Failure(Code.NOT_FOUND, message)
    return Denied(admission.code_of(404), message, "API server")


def of_connection(error: httpx.HTTPError) -> Failure:
    """Return the failure for an exception of the HTTP client."""
    reason = str(error) or type(error).__name__
    if isinstance(error, NOT_SENT):
        return Failure(
            Code.PLATFORM_UNREACHABLE, f"the Kubernetes API server cannot be reached: {reason}"
        )
    if isinstance(error, DEADLINE_TIMEOUTS):
        return Failure(
            Code.DEADLINE_EXCEEDED, "Kubernetes did not answer before the deadline", arrived=True
        )
    if isinstance(error, httpx.DecodingError):
        return unexpected_body(reason)
    return Failure(
        Code.PLATFORM_FAILED,
        f"the connection to Kubernetes was lost before it answered: {reason}",
        again=Again.LOST,
        arrived=True,
    )


def unexpected_body(reason: str) -> Failure:
    """Return the failure for a 2xx response whose body does not match the expected type."""
    return Failure(
        Code.PLATFORM_FAILED,
        f"Kubernetes' response does not match the expected type: {reason}",
        arrived=True,
    )


def _status(body: bytes) -> Status | None:
    """Return the `Status` in a body; None for any other body, such as a proxy's JSON."""
    try:
        answer = decode(body, ANSWERS, type=Status)
    except msgspec.DecodeError:
        return None
    return answer if answer.kind == "Status" else None


def _plain(body: bytes, headers: Mapping[str, str]) -> str | None:
    if not headers.get("content-type", "").startswith("text/plain"):
        return None
    return body.decode(errors="replace").strip()


def _message(status: int, answer: Status) -> str:
    """Return the API server's message without quoted objects, which may hold secrets."""
    message = OBJECT.sub(
        "Invalid value: (an object, not shown)", answer.message or "no reason given"
    )
    message = message[:MESSAGE_LIMIT]
    return f"{message} (Kubernetes: {status}{f' {answer.reason}' if answer.reason else ''})"


def _missing_right(right: re.Match[str], message: str) -> str:
    group, resource, verb = right["group"], right["resource"], right["verb"]
    where = f'in the namespace "{right["namespace"]}"' if right["namespace"] else "cluster-wide"
    return (
        f'the worker\'s user "{right["user"]}" lacks the right to {verb} {resource} {where}: '
        f'grant it a role with apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]. '
        f"{message}"
    )


def _credentials(message: str) -> str:
    return f"the API server did not accept the worker's credentials: {message}"


def _not_from_kubernetes(status: int, headers: Mapping[str, str]) -> Failure:
    kind = headers.get("content-type", "no content type").partition(";")[0]
    return Failure(
        Code.PLATFORM_FAILED,
        f"expected a Status of Kubernetes, got HTTP status {status} with content type {kind}: the "
        "response may come from a proxy, or PLT_K8S_REST_API_URL is not the URL of an API server",
        arrived=status >= 500,
    )


def _again(method: str, status: int) -> Again:
    if status == 401:
        return Again.UNAUTHORIZED
    if status == 410 and method == "GET":
        return Again.EXPIRED
    # A 409 on a PATCH means a lost race inside the server or, if the patch has a resourceVersion,
    # a faster writer. A 409 on a POST means the same, or a concurrent change of a quota.
    return Again.CONFLICT if method in {"PATCH", "POST"} and status == 409 else Again.NEVER


def _is_rejected(method: str, status: int, retry_after: int | None) -> bool:
    """Return whether nothing was attempted: 429, 503 with Retry-After, for reads any such 5xx."""
    if status == 429:
        return True
    return retry_after is not None and (status == 503 or (status >= 500 and method == "GET"))


def _retry_after(headers: Mapping[str, str], answer: Status) -> int | None:
    """Return the seconds to wait, from Retry-After (a number or a date) or from the `Status`."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return int(text)
    if text:
        try:
            return max(0, ceil(parsedate_to_datetime(text).timestamp() - time()))
        except ValueError:
            return None
    return answer.details.retry_after_seconds if answer.details else None
