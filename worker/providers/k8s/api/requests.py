"""Requests as values, and the decoding of their responses; pure."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from contracts.checks.json_limits import ANSWERS, decode
from contracts.faults import Code
from contracts.freshness import UNKNOWN
from worker.providers.k8s.api import errors

Answer = TypeVar("Answer")

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

FIELD_MANAGER = "machinist"
WRITE = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
"""The query of a write: the field manager, and that an unknown field is an error."""
DELETED = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}'
"""The response for a deletion whose own response was lost."""
CREATED = 201

DELETE_OPTIONS = {"kind": "DeleteOptions", "apiVersion": "v1"}
BACKGROUND = {"propagationPolicy": "Background"}
"""Without a propagation policy, deleting a ReplicationController orphans its pods."""


COLLECTION = re.compile(r"/namespaces/[^/]+/([a-z]+)")
"""The plural of the resource type in the path of a request."""

WARNING = re.compile(r'\b299 \S+ "(?P<text>(?:[^"\\]|\\.)*)"')
"""RFC 7234 §5.5, in the API server's format."""


class Answered(NamedTuple):
    """The response to a request; `repeated` if an earlier attempt may have taken effect."""

    body: bytes
    status: int
    repeated: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def created(self) -> bool | None:
        """True if the request created an object; None if an earlier attempt may have done so."""
        return None if self.repeated else self.status == CREATED


class Request(msgspec.Struct, frozen=True):
    """One request; every request other than a POST is idempotent."""

    method: str
    target: str
    body: bytes | None = None
    content_type: str | None = None
    names_version: bool = False
    """True if the body has the resourceVersion that was read: a conflict needs another read."""

    @property
    def changes(self) -> bool:
        """True if the request may have an effect."""
        return self.method != "GET"


def warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the API server's warnings in the headers of a response."""
    found = WARNING.finditer(headers.get("warning", ""))
    return tuple(re.sub(r"\\(.)", r"\1", each["text"]) for each in found)


class _Version(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Written(msgspec.Struct):
    """The part of a written object that has its version."""

    metadata: _Version


def written_version(request: Request, answer: Answered) -> tuple[str, int] | None:
    """Return the plural of the resource type of a write, and the version of the written object.

    None for a write outside a namespace, such as a review of rights. The response to a deletion
    does not have the version of the deletion.
    """
    plural = COLLECTION.search(request.target)
    if plural is None:
        return None
    try:
        text = decode(answer.body, ANSWERS, type=_Written).metadata.resource_version
    except msgspec.DecodeError:
        text = ""
    is_known = request.method != "DELETE" and text.isascii() and text.isdigit()
    return plural[1], int(text) if is_known else UNKNOWN


def target(path: str, query: dict[str, str], token: str | None = None) -> str:
    """Return a path with its query; `token` is the continue token of a list."""
    page = query | {"continue": token} if token else query
    # Escape every character: the API server ignores a selector in a query that it cannot parse,
    # and returns all objects.
    return f"{path}?{urlencode(page, quote_via=quote, safe='')}"


def deletion(path: str, uid: str | None) -> Request:
    """Return the request that deletes an object; `uid` protects later objects of that name."""
    if uid is None:
        return Request("DELETE", target(path, BACKGROUND))
    # The API server ignores options in the query if there is a body.
    options = DELETE_OPTIONS | BACKGROUND | {"preconditions": {"uid": uid}}
    return Request("DELETE", path, msgspec.json.encode(options), JSON)


def is_deleted(failure: errors.Failure) -> bool:
    """Return whether a repeated deletion failed because the first one succeeded.

    The object is then absent, or a later object has its name.
    """
    return isinstance(failure, errors.Absent) or failure.code is Code.CONFLICT


def decoded(answer: Answered, expected: type[Answer]) -> Answer:
    """Decode the body of a response, or raise the failure of an unexpected body."""
    try:
        return decode(answer.body, ANSWERS, type=expected)
    except msgspec.DecodeError as error:
        raise errors.unexpected_body(str(error)) from error
