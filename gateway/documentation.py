"""The documents of the API over HTTP, and a page that shows them without anything from outside."""

import re
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
    """`/documentation` and the documents themselves; made once, since they never change."""
    described = openapi.document()
    page = render(described).encode()
    of_http = msgspec.json.encode(described)
    of_messages = msgspec.json.encode(asyncapi.document())

    @route("/documentation", http_method=READ, status_code=200)
    async def documentation() -> Response[bytes]:
        return Response(page, media_type=MediaType.HTML)

    @route("/documentation/json", http_method=READ, status_code=200)
    async def openapi_document() -> Response[bytes]:
        return Response(of_http, media_type=MediaType.JSON)

    @route("/documentation/asyncapi", http_method=READ, status_code=200)
    async def asyncapi_document() -> Response[bytes]:
        return Response(of_messages, media_type=MediaType.JSON)

    return [documentation, openapi_document, asyncapi_document]


def render(document: dict[str, Any]) -> str:
    """An OpenAPI document as one page of HTML."""
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
    answer = _schema(operation["responses"]["200"])
    parameters = _parameters(operation.get("parameters", []))
    return f"<details><summary>{title}</summary>{parameters}{request}<h4>200</h4>{answer}</details>"


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}"
        f"{'' if p.get('required') else ', optional'}</td><td>{escape(p['description'])}</td></tr>"
        for p in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _schema(described: dict[str, Any]) -> str:
    return _json(described["content"][JSON]["schema"])


def _json(value: Any) -> str:
    """A value as indented JSON, its references to schemas as links."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"<pre>{REFERENCE.sub(_link, escape(text))}</pre>"


def _link(reference: re.Match[str]) -> str:
    return f'<a href="#{reference[1]}">{reference[1]}</a>'
