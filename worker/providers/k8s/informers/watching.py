"""Lists with their resource version, and watches as events."""

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from contracts.checks.json_limits import ANSWERS, decode
from contracts.faults import Code
from worker.provider import Call
from worker.providers.k8s.api import errors
from worker.providers.k8s.api.client import Client
from worker.providers.k8s.api.errors import Again, Failure
from worker.providers.k8s.api.requests import Request, target
from worker.providers.k8s.kinds import ResourceType
from worker.providers.k8s.objects import ListOf, Metadata, Part

Shape = TypeVar("Shape")

PAGE = 100
"""Objects per page: 100 pods take about 5 ms, in which the event loop stands still."""

LIST_S = 30.0
LINE_LIMIT = 16 * 1024 * 1024
ADDED, DELETED, BOOKMARK, ERROR = "ADDED", "DELETED", "BOOKMARK", "ERROR"
EXPIRED = 410


class Source(msgspec.Struct, Generic[Shape], frozen=True):
    """The collection of an informer: a resource type in a namespace, and the structs to decode."""

    resource: ResourceType
    namespace: str
    shape: type[Shape]
    page: type[ListOf[Shape]]

    @property
    def path(self) -> str:
        """The path of the collection."""
        return self.resource.path(self.namespace)

    @property
    def shown(self) -> str:
        """The collection in messages."""
        return f'{self.resource.plural} in the namespace "{self.namespace}"'


class Event(msgspec.Struct, frozen=True):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class OnlyVersion(Part, frozen=True):
    """The metadata of a bookmark, which has no name."""

    resource_version: str | None = None


class Bookmark(Part, frozen=True):
    """The object of a bookmark."""

    metadata: OnlyVersion


class Error(msgspec.Struct, frozen=True):
    """The Status in an event of type ERROR."""

    code: int = 0
    message: str = ""


class Expired(Failure):
    """The version of a list or watch is no longer available, or the versions went back."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.PLATFORM_FAILED, message, again=Again.EXPIRED)


def number(version: str | None) -> int:
    """Return a resource version as a number.

    Kubernetes documents since 1.35 that the versions of one resource type can be compared as
    numbers; earlier API servers of Kubernetes have such versions too. Others are not compared.
    """
    if version is None or not version.isascii() or not version.isdigit():
        raise errors.unexpected_body(
            f"expected a resource version that is a decimal number, got {version!r}"
        )
    return int(version)


async def pages(client: Client, source: Source[Shape]) -> AsyncIterator[tuple[list[Shape], int]]:
    """Read the collection as it is now; yield the objects of each page, and the list's version.

    All pages show one snapshot. If it expires between two pages, the list fails with `Expired`.
    """
    token: str | None = None
    while True:
        page = await _page(client, source, PAGE, token)
        yield page.items or [], number(page.metadata.resource_version)
        token = page.metadata.token
        if not token:
            return


async def current_version(client: Client, source: Source[Any]) -> int:
    """Return the present version of the API server's storage, by a list of one object."""
    page = await _page(client, source, 1)
    return number(page.metadata.resource_version)


async def _page(
    client: Client, source: Source[Shape], limit: int, token: str | None = None
) -> ListOf[Shape]:
    kube = client.for_call(Call.within(LIST_S))
    try:
        return await kube.get(target(source.path, {"limit": str(limit)}, token), source.page)
    except Failure as failure:
        if failure.again is Again.EXPIRED:
            raise Expired(failure.message) from failure
        raise


def watch(source: Source[Shape], since: int, seconds: int) -> Request:
    """Return the request that watches the collection for some seconds, with bookmarks.

    The API server sends a bookmark about two seconds before the end, but only if it has a later
    version for this resource type.
    """
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": str(since),
        "timeoutSeconds": str(seconds),
    }
    return Request("GET", target(source.path, query))


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """Yield the events of a watch; raise `Expired` or a failure for an event of type ERROR."""
    unfinished: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        # Not httpx's aiter_lines: it also ends a line at U+2028, which JSON need not escape.
        first, *others = part.split(b"\n")
        unfinished.append(first)
        size += len(first)
        if size > LINE_LIMIT:
            raise errors.unexpected_body(f"expected lines of at most {LINE_LIMIT} bytes")
        for following in others:
            line = b"".join(unfinished)
            unfinished, size = [following], len(following)
            if line.strip():
                yield _event(line)


def _event(line: bytes) -> Event:
    event = decoded(line, Event)
    if event.type != ERROR:
        return event
    error = decoded(event.object, Error)
    if error.code == EXPIRED:
        raise Expired(error.message)
    raise Failure(Code.PLATFORM_FAILED, f"the watch ended with an error: {error.message}")


def decoded(body: bytes | msgspec.Raw, expected: type[Shape]) -> Shape:
    """Return a decoded part of a watch, or raise the failure of an unexpected one."""
    try:
        return decode(bytes(body), ANSWERS, type=expected)
    except msgspec.DecodeError as error:
        raise errors.unexpected_body(str(error)) from error


def version_of(metadata: Metadata | OnlyVersion) -> int:
    """Return the resource version of an object or bookmark."""
    return number(metadata.resource_version)
