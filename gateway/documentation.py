"""The OpenAPI and AsyncAPI documents over HTTP, and a self-contained HTML page of them."""

import re
from functools import cache
from html import escape
from typing import Any

import msgspec
from litestar import MediaType, Response, route
from litestar.handlers import HTTPRouteHandler

from contracts.documents import asyncapi, openapi
from contracts.wire import JSON
from gateway.methods import READ

REFERENCE = re.compile(r"&quot;#/components/schemas/(\w+)&quot;")

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
details{border:1px solid #ddd;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f6f6f6;padding:.8rem;overflow:auto}
b.method{display:inline-block;width:4.5rem}
td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
"""


def documentation_routes() -> list[HTTPRouteHandler]:
    """Return the routes of the page and the documents."""

    @route("/documentation", http_method=READ, status_code=200)
    async def documentation() -> Response[bytes]:
        return Response(_page(), media_type=MediaType.HTML)

    @route("/documentation/json", http_method=READ, status_code=200)
    async def openapi_document() -> Response[bytes]:
        return Response(_openapi(), media_type=MediaType.JSON)

    @route("/documentation/asyncapi", http_method=READ, status_code=200)
    async def asyncapi_document() -> Response[bytes]:
        return Response(_asyncapi(), media_type=MediaType.JSON)

    return [documentation, openapi_document, asyncapi_document]


# Rendered at the first request: together they would take a third of a gateway's CPU time until it
# is ready.
@cache
def _page() -> bytes:
    return render(openapi.document()).encode()


@cache
def _openapi() -> bytes:
    return msgspec.json.encode(openapi.document())


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document())


def render(document: dict[str, Any]) -> str:
    """Render an OpenAPI document as one HTML page."""
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f'<h4 id="{escape(name)}">{escape(name)}</h4>{_json(schema)}'
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}'
        f"</title><style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])} The documents: "
        '<a href="/documentation/json">OpenAPI</a>, '
        '<a href="/documentation/asyncapi">AsyncAPI</a>.</p>'
        f"<h2>Operations</h2>{operations}<h2>Schemas</h2>{schemas}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    title = (
        f'<b class="method">{method.upper()}</b> <code>{escape(path)}</code> '
        f"— {escape(operation['summary'])}"
    )
    body = operation.get("requestBody")
    request = f"<h4>Body</h4>{_schema(body)}" if body else ""
    response = _schema(operation["responses"]["200"])
    parameters = _parameters(operation.get("parameters", []))
    return (
        f"<details><summary>{title}</summary>{parameters}{request}<h4>200</h4>{response}</details>"
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}"
        f"{'' if p.get('required') else ', optional'}</td><td>{escape(p['description'])}</td></tr>"
        for p in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _schema(part: dict[str, Any]) -> str:
    return _json(part["content"][JSON]["schema"])


def _json(value: Any) -> str:
    """Render a value as indented JSON with its schema references as links."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"<pre>{REFERENCE.sub(_link, escape(text))}</pre>"


def _link(reference: re.Match[str]) -> str:
    return f'<a href="#{reference[1]}">{reference[1]}</a>'
