"""The table of faults: what the API server or the way to it said, as codes and words; pure."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from math import ceil
from time import time

import httpx
import msgspec

from contracts.faults import Code, Fault
from contracts.json_limits import ANSWERS, decode
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
"""By the status of a `Status`, whose reason never changes the code. All others: platform_failed."""

TURNED_AWAY: dict[int, Code] = {429: Code.PLATFORM_LIMITING, 503: Code.PLATFORM_UNREACHABLE}
"""By a status that comes with a time to return at: nothing was attempted. 429 has one always."""

SAID_BY_ANYBODY = frozenset({401, *TURNED_AWAY})
"""Statuses that count without a `Status` too: overload is answered in plain text."""

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""The request surely did not leave: refused, no such host, TLS handshake failed or timed out."""

OVERDUE = (httpx.ReadTimeout, httpx.WriteTimeout)
"""The deadline passed: these timeouts are what was left of it."""

BUILT_IN = ("/api/v1/", "/apis/apps/")
"""Where kinds are that no cluster lacks."""

NO_SUCH_API = b"404 page not found"
"""The answer, in plain text, for an API group that a cluster does not have."""

NO_SUCH_RESOURCE = "the server could not find the requested resource"
"""The message of a `Status` for a kind that a group does not have."""

NOT_FOUND = "NotFound"
ABSENT = re.compile(r'(?P<kind>[a-z]+)(\.[a-z0-9.-]+)? "(?P<name>[^"]*)" not found')
"""The reason and the message of a `Status` about an absent object."""

RIGHT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
OBJECT = re.compile(r'Invalid value: "\{.*\}"', re.DOTALL)
"""A whole object, quoted: so are patches refused whose result has a wrong type."""
MESSAGE_LIMIT = 2000


class Again(Enum):
    """When a request that failed may be sent again."""

    NEVER = auto()
    LOST = auto()
    """The connection broke after it was sent: soon, if sending twice has one effect."""
    LATER = auto()
    """It was turned away: after what the server asks for."""
    CONFLICT = auto()
    """Other writers were faster inside the server: as soon as they let it."""
    MOVED = auto()
    """What was looked at is not so any more, or not yet: after another look."""
    EXPIRED = auto()
    """The snapshot of a list is gone: from the token in the answer, without one from the start."""
    UNAUTHORIZED = auto()
    """Once, with the token as it is now."""


class Failure(Fault):
    """A request failed; `arrived` when it may have taken effect all the same."""

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
        """`resume` is where a list whose snapshot expired can go on."""
        super().__init__(code, message, retry_after=retry_after)
        self.again = again
        self.arrived = arrived
        self.resume = resume


class MissingRight(Failure):
    """The worker's user may not do that: said before anybody looks whether the object exists."""


class NoSuchApi(Failure):
    """The cluster does not have this kind of object at all."""


class Absent(Failure):
    """The object that the request names does not exist."""


class Denied(Failure):
    """Admission refused the request, which changed nothing; `by` names the webhook or policy.

    `by` is the API server where a 404 names no object: an admission plugin may choose any status.
    """

    def __init__(self, code: Code, message: str, by: str) -> None:
        super().__init__(code, message)
        self.by = by


def of_answer(
    method: str, status: int, headers: Mapping[str, str], body: bytes, path: str = ""
) -> Failure:
    """The failure that an answer other than 2xx is; `path` is that of the request.

    Every API server has the kinds that are built in: of one that is missing a proxy speaks.
    """
    said = _status(body)
    is_missing = status == 404 and body.strip() == NO_SUCH_API and not path.startswith(BUILT_IN)
    if said is None and status not in SAID_BY_ANYBODY and not is_missing:
        return _alien(status, headers)
    said = said or Status(message=_plain(body, headers))
    words = _words(status, said)
    if (by := admission.denied_by(said.message)) is not None:
        return Denied(admission.code_of(status), words, by)
    if status == 403 and (right := RIGHT.search(said.message or "")):
        return MissingRight(Code.PLATFORM_FORBIDDEN, _missing(right, words))
    if is_missing or (status == 404 and said.message == NO_SUCH_RESOURCE):
        return NoSuchApi(Code.NOT_FOUND, words)
    if status == 404:
        return _of_not_found(method, path, said, words)
    retry_after = _retry_after(headers, said)
    if _turned_away(method, status, retry_after):
        return Failure(
            TURNED_AWAY.get(status, Code.PLATFORM_UNREACHABLE),
            words,
            again=Again.LATER,
            retry_after=retry_after,
        )
    return Failure(
        CODES.get(status, Code.PLATFORM_FAILED),
        _credentials(words) if status == 401 else words,
        again=_again(method, status),
        arrived=status >= 500,
        # Go writes no token as an empty one.
        resume=said.metadata.token or None if status == 410 and said.metadata else None,
    )


def _of_not_found(method: str, path: str, said: Status, words: str) -> Failure:
    """The failure of a 404: only one that names the object of the request says it is absent.

    The details of the `Status` name it; where a proxy left them out, its message does.
    """
    kind, name = (said.details.kind, said.details.name) if said.details else (None, None)
    if name is None and (named := ABSENT.fullmatch(said.message or "")):
        kind, name = named["kind"], named["name"]
    if said.reason == NOT_FOUND and [kind, name] == path.split("/")[-2:]:
        return Absent(Code.NOT_FOUND, words)
    if method == "GET" or (kind == "namespaces" and f"/namespaces/{name}/" in path):
        return Failure(Code.NOT_FOUND, words)
    return Denied(admission.code_of(404), words, "API server")


def of_connection(error: httpx.HTTPError) -> Failure:
    """The failure that an exception of the HTTP client is."""
    reason = str(error) or type(error).__name__
    if isinstance(error, UNSENT):
        return Failure(
            Code.PLATFORM_UNREACHABLE, f"the Kubernetes API server cannot be reached: {reason}"
        )
    if isinstance(error, OVERDUE):
        return Failure(
            Code.DEADLINE_EXCEEDED, "Kubernetes did not answer before the deadline", arrived=True
        )
    if isinstance(error, httpx.DecodingError):
        return nonsense(reason)
    return Failure(
        Code.PLATFORM_FAILED,
        f"the connection to Kubernetes was lost before it answered: {reason}",
        again=Again.LOST,
        arrived=True,
    )


def nonsense(reason: str) -> Failure:
    """The failure that a successful answer is which is not what was asked for."""
    return Failure(
        Code.PLATFORM_FAILED,
        f"Kubernetes' answer is not what was asked for: {reason}",
        arrived=True,
    )


def _status(body: bytes) -> Status | None:
    """Return the `Status` in a body, None for anything else: JSON too may come from a proxy."""
    try:
        said = decode(body, ANSWERS, type=Status)
    except msgspec.DecodeError:
        return None
    return said if said.kind == "Status" else None


def _plain(body: bytes, headers: Mapping[str, str]) -> str | None:
    if not headers.get("content-type", "").startswith("text/plain"):
        return None
    return body.decode(errors="replace").strip()


def _words(status: int, said: Status) -> str:
    """The platform's own words, without the objects in them: these may hold secrets."""
    message = OBJECT.sub("Invalid value: (an object, not shown)", said.message or "no reason given")
    message = message[:MESSAGE_LIMIT]
    return f"{message} (Kubernetes: {status}{f' {said.reason}' if said.reason else ''})"


def _missing(right: re.Match[str], words: str) -> str:
    group, resource, verb = right["group"], right["resource"], right["verb"]
    where = f'in the namespace "{right["namespace"]}"' if right["namespace"] else "cluster-wide"
    return (
        f'the worker\'s user "{right["user"]}" lacks the right to {verb} {resource} {where}: '
        f'grant it a role with apiGroups ["{group}"], resources ["{resource}"], verbs ["{verb}"]. '
        f"{words}"
    )


def _credentials(words: str) -> str:
    return f"the API server did not accept the worker's credentials: {words}"


def _alien(status: int, headers: Mapping[str, str]) -> Failure:
    kind = headers.get("content-type", "no content type").partition(";")[0]
    return Failure(
        Code.PLATFORM_FAILED,
        f"the answer has status {status} and {kind} where Kubernetes would answer with a Status: "
        "it may come from a proxy, or PLT_K8S_REST_API_URL is no API server",
        arrived=status >= 500,
    )


def _again(method: str, status: int) -> Again:
    if status == 401:
        return Again.UNAUTHORIZED
    if status == 410 and method == "GET":
        return Again.EXPIRED
    # The conflict of a patch says that the server lost a race or, where the patch names a version,
    # that another writer was faster. A creation's says the same, or that a quota changed meanwhile.
    return Again.CONFLICT if method in {"PATCH", "POST"} and status == 409 else Again.NEVER


def _turned_away(method: str, status: int, retry_after: int | None) -> bool:
    """Whether nothing was attempted; another 5xx that says when to return proves it for reads."""
    if status == 429:
        return True
    return retry_after is not None and (status == 503 or (status >= 500 and method == "GET"))


def _retry_after(headers: Mapping[str, str], said: Status) -> int | None:
    """The seconds to wait, from the header (a number or a date) or from the `Status`."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return int(text)
    if text:
        try:
            return max(0, ceil(parsedate_to_datetime(text).timestamp() - time()))
        except ValueError:
            return None
    return said.details.retry_after_seconds if said.details else None
