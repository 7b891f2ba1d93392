"""A curl line for each operation of an OpenAPI document, from its examples."""

import shlex
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from contracts.wire import JSON

ORIGIN = "http://ORIGIN"
"""Stands for the scheme, host and port under which the reader has reached the page."""

CERTIFICATE = "--cert client.pem --key client.key"
TOKEN = '--header "Authorization: Bearer $TOKEN"'


def lines(document: dict[str, Any], *, uses_tokens: bool, has_certificate: bool) -> dict[str, str]:
    """Return the command line of each operation by its name."""
    return {
        operation["operationId"]: _line(
            method, path, operation, uses_tokens=uses_tokens, has_certificate=has_certificate
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _line(
    method: str, path: str, operation: dict[str, Any], *, uses_tokens: bool, has_certificate: bool
) -> str:
    values = {
        (each["in"], each["name"]): _example(each)
        for each in operation.get("parameters", [])
        if "examples" in each
    }
    in_path = {
        name: quote(value, safe="") for (kind, name), value in values.items() if kind == "path"
    }
    query = {name: value for (kind, name), value in values.items() if kind == "query"}
    url = ORIGIN + path.format(**in_path) + (f"?{urlencode(query, doseq=True)}" if query else "")
    is_guarded = "security" in operation
    words = [
        "curl",
        *([] if method == "get" else [f"--request {method.upper()}"]),
        *([CERTIFICATE] if has_certificate else []),
        *([TOKEN] if uses_tokens and is_guarded else []),
    ]
    if body := operation.get("requestBody"):
        text = msgspec.json.encode(_example(body["content"][JSON])).decode()
        words += [f"--header 'Content-Type: {JSON}'", f"--data {shlex.quote(text)}"]
    return " ".join([*words, shlex.quote(url)])


def _example(described: dict[str, Any]) -> Any:
    """Return the first example: that of the first platform, or of all of them."""
    return next(iter(described["examples"].values()))["value"]
