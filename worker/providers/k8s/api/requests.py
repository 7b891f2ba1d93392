"""Requests as values, and the bodies of their answers as structs; sends nothing."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from contracts.faults import Code
from contracts.json_limits import ANSWERS, decode
from worker.providers.k8s.api import errors

Answer = TypeVar("Answer")

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

FIELD_MANAGER = "machinist"
WRITE = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
"""The query of a change: who wrote, and that an unknown field is an error instead of dropped."""
GONE = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}'
"""The answer to a deletion that is found to have happened."""
CREATED = 201

DELETE_OPTIONS = {"kind": "DeleteOptions", "apiVersion": "v1"}
BACKGROUND = {"propagationPolicy": "Background"}
"""Without a policy a ReplicationController leaves its pods running."""


WARNING = re.compile(r'\b299 \S+ "(?P<text>(?:[^"\\]|\\.)*)"')
"""RFC 7234 §5.5, as the API server writes it."""


class Answered(NamedTuple):
    """The answer to a request; `repeated` when an earlier attempt may have had its effect."""

    body: bytes
    status: int
    repeated: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def created(self) -> bool | None:
        """Whether the request created an object, None where an earlier attempt may have."""
        return None if self.repeated else self.status == CREATED


class Request(msgspec.Struct, frozen=True):
    """One request; repeating any but a POST has a single effect."""

    method: str
    target: str
    body: bytes | None = None
    content_type: str | None = None
    names_version: bool = False
    """Whether the body holds the version that was read: a conflict asks for another look."""

    @property
    def changes(self) -> bool:
        """Whether it may have an effect."""
        return self.method != "GET"


def warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the warnings of the API server that are in the head of an answer."""
    found = WARNING.finditer(headers.get("warning", ""))
    return tuple(re.sub(r"\\(.)", r"\1", each["text"]) for each in found)


def target(path: str, query: dict[str, str], token: str | None = None) -> str:
    """A path with its query; `token` says where a list goes on."""
    page = query | {"continue": token} if token else query
    # Not one character goes unescaped: of a query that it cannot parse, the API server drops the
    # selector and answers with everything.
    return f"{path}?{urlencode(page, quote_via=quote, safe='')}"


def deletion(path: str, uid: str | None) -> Request:
    """The deletion of an object; with `uid` of no later object of the same name."""
    if uid is None:
        return Request("DELETE", target(path, BACKGROUND))
    # The API server reads options in the query only where there is no body.
    options = DELETE_OPTIONS | BACKGROUND | {"preconditions": {"uid": uid}}
    return Request("DELETE", path, msgspec.json.encode(options), JSON)


def is_deleted(failure: errors.Failure) -> bool:
    """Whether a repeated deletion failed for its success: gone, or another one has the name."""
    return isinstance(failure, errors.Absent) or failure.code is Code.CONFLICT


def decoded(answer: Answered, expected: type[Answer]) -> Answer:
    """The body of an answer as what was asked for, or the failure that it is something else."""
    try:
        return decode(answer.body, ANSWERS, type=expected)
    except msgspec.DecodeError as error:
        raise errors.nonsense(str(error)) from error
