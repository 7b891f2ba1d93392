"""Requests as values, and the bodies of their answers as structs; sends nothing."""

from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from worker.providers.k8s import errors

Answer = TypeVar("Answer")

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
FIELD_MANAGER = "machinist"
GONE = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}'
"""The answer to a deletion that is found to have happened."""


class Request(msgspec.Struct, frozen=True):
    """One request; repeating any but a POST has a single effect."""

    method: str
    target: str
    body: bytes | None = None
    content_type: str | None = None

    @property
    def changes(self) -> bool:
        """Whether it may have an effect."""
        return self.method != "GET"


def target(path: str, query: dict[str, str], token: str | None = None) -> str:
    """A path with its query; `token` says where a list goes on."""
    page = query | {"continue": token} if token else query
    # Not one character goes unescaped: of a query that it cannot parse, the API server drops the
    # selector and answers with everything.
    return f"{path}?{urlencode(page, quote_via=quote, safe='')}"


def decoded(body: bytes, expected: type[Answer]) -> Answer:
    """A body as what was asked for, or the failure that it is something else."""
    try:
        return msgspec.json.decode(body, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.nonsense(str(error)) from error
