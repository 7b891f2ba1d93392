"""The routes of the page: `/`, its files, the stream of events, the audit and one command."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import MediaType, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from contracts.faults import Code, Fault
from contracts.records.results import Result
from gateway.http.methods import READ
from gateway.http.path_parameters import segment
from gateway.identity.guard import Guard
from gateway.page.assets import Asset, assets
from gateway.page.events import EventStream
from gateway.page.page import Page
from gateway.page.search import Query, Searches
from gateway.page.viewer import Viewer, Wanted

INDEX = "page.html"
LISTS = frozenset({"result"})

AnyRequest = Request[Any, Any, Any]
AnyStruct = TypeVar("AnyStruct", bound=Struct)


class Live(Struct, frozen=True, forbid_unknown_fields=True):
    """The filter of the live outcomes."""

    result: list[Result] = []
    text: str = ""


class ViewedStream:
    """The events of a viewer, counted as long as they are sent."""

    def __init__(self, page: Page, viewer: Viewer, after: int | None) -> None:
        self._page = page
        self._stream = EventStream(page, viewer, after)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events."""
        async with self._page.viewed():
            await self._stream(scope, receive, send)


def page_routes(page: Page, guard: Guard) -> list[HTTPRouteHandler]:
    """Return the routes; all but the files are for subjects with any right, and show no more."""
    searches = Searches(page)

    async def viewer_of(request: AnyRequest, wanted: Wanted) -> Viewer:
        requester = await guard.admit_to_pages(request)
        return Viewer(guard, requester.subject, wanted)

    @route("/page/events", http_method=READ, status_code=200)
    async def page_events(request: AnyRequest) -> ViewedStream:
        live = _parameters(request, Live)
        viewer = await viewer_of(request, Wanted(frozenset(live.result), live.text))
        page.admit()
        return ViewedStream(page, viewer, _last_event_id(request))

    @route("/page/audit", http_method=READ, status_code=200)
    async def page_audit(request: AnyRequest) -> Response[bytes]:
        viewer = await viewer_of(request, Wanted())
        return _json(await searches.commands(viewer, _parameters(request, Query)))

    @route("/page/commands/{path_id:str}", http_method=READ, status_code=200)
    async def page_command(request: AnyRequest) -> Response[bytes]:
        viewer = await viewer_of(request, Wanted())
        return _json(await searches.story(viewer, segment(request, "id")))

    return [*_files(), page_events, page_audit, page_command]


def _files() -> list[HTTPRouteHandler]:
    return [
        _file("/" if name == INDEX else f"/page/{name}", asset) for name, asset in assets().items()
    ]


def _file(path: str, asset: Asset) -> HTTPRouteHandler:
    async def file() -> Asset:
        return asset

    return HTTPRouteHandler(path, http_method=READ, status_code=200)(file)


def _parameters(request: AnyRequest, kind: type[AnyStruct]) -> AnyStruct:
    """Return the query parameters; raise `invalid` for unknown and for wrong ones."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(request.scope["query_string"].decode("latin-1")):
        if name in LISTS:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Fault(Code.INVALID, f"query parameters: {error}") from error


def _last_event_id(request: AnyRequest) -> int | None:
    """Return the position after which a client continues, None for another value."""
    value = request.headers.get("last-event-id", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _json(value: Any) -> Response[bytes]:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), media_type=MediaType.JSON, headers=headers)
