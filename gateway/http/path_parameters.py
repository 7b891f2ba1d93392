"""Path parameters of a request, decoded after the path was split: `a%2Fb` stays one name."""

from typing import Any, Literal
from urllib.parse import unquote

from litestar import Request

from contracts.faults import Code, Fault

PREFIX = "path_"
"""The prefix of path parameters: Litestar reserves names such as `scope`."""


def segment(
    request: Request[Any, Any, Any], name: str, errors: Literal["strict", "replace"] = "strict"
) -> str:
    """Return a path parameter; raise `invalid` for one that is not UTF-8, or replace its bytes."""
    try:
        return unquote(request.path_params[PREFIX + name], errors=errors)
    except UnicodeDecodeError as error:
        raise Fault(Code.INVALID, f"{name}: expected percent-encoded UTF-8") from error
