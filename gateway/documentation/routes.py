"""The routes of the documents, of their pages, and of the files of Swagger UI."""

import gzip
from functools import cache
from pathlib import Path

import msgspec
from litestar import MediaType, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from contracts.documents import asyncapi, openapi
from gateway.documentation import messages, operations
from gateway.documentation.page import Page
from gateway.http.methods import READ
from gateway.identity.guard import AnyRequest, Guard

FILES = Path(__file__).parent / "swagger_ui"


def documentation_routes(guard: Guard) -> list[HTTPRouteHandler]:
    """Return the routes; none of them needs an identity."""

    @route("/documentation", http_method=READ, status_code=200)
    async def documentation(request: AnyRequest) -> Response[bytes]:
        return _answer(_operations(guard.uses_tokens, _has_certificate(request.scope)))

    @route("/documentation/messages", http_method=READ, status_code=200)
    async def documentation_of_messages() -> Response[bytes]:
        return _answer(_messages())

    @route("/documentation/json", http_method=READ, status_code=200)
    async def openapi_document() -> Response[bytes]:
        return Response(_openapi(), media_type=MediaType.JSON)

    @route("/documentation/asyncapi", http_method=READ, status_code=200)
    async def asyncapi_document() -> Response[bytes]:
        return Response(_asyncapi(), media_type=MediaType.JSON)

    files = [
        _file(operations.SCRIPT, "text/javascript"),
        _file(operations.STYLE, "text/css"),
    ]
    return [documentation, documentation_of_messages, openapi_document, asyncapi_document, *files]


def _file(path: str, media_type: str) -> HTTPRouteHandler:
    """Return the route of a file of Swagger UI, whose version is in the path."""

    @route(path, http_method=READ, status_code=200)
    async def file(request: AnyRequest) -> Response[bytes]:
        content = (FILES / f"{Path(path).name}.gz").read_bytes()
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "vary": "accept-encoding",
            "x-content-type-options": "nosniff",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        return Response(content, media_type=media_type, headers=headers)

    return file


def _answer(page: Page) -> Response[bytes]:
    return Response(page.html, media_type=MediaType.HTML, headers=page.headers)


def _has_certificate(scope: Scope) -> bool:
    """Tell whether the browser has presented a client certificate."""
    tls = (scope.get("extensions") or {}).get("tls") or {}
    return tls.get("client_cert_name") is not None


# Rendered at the first request: together they would take a third of a gateway's CPU time until it
# is ready.
@cache
def _operations(uses_tokens: bool, has_certificate: bool) -> Page:
    return operations.render(openapi.document(), uses_tokens, has_certificate)


@cache
def _messages() -> Page:
    return messages.render(asyncapi.document())


@cache
def _openapi() -> bytes:
    return msgspec.json.encode(openapi.document())


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document())
