"""HTTP routes of the operations, derived from the table; no operation is named here."""

from typing import Any, Protocol

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from contracts import wire
from contracts.api import OPERATIONS
from contracts.checks.members import unknown_member
from contracts.checks.validation import SHOWN, show
from contracts.faults import Code, Fault
from contracts.operation import PATH_FIELD, Operation, Row
from contracts.secrecy import reject_embedded_secret
from contracts.wire import Reply
from gateway.context import NOTHING, Context, context_of, give_command_id
from gateway.http.bodies import Bodies
from gateway.http.methods import READ
from gateway.http.path_parameters import PREFIX, segment
from gateway.identity.guard import Guard
from gateway.parameters import own_parameters, refusal, values_of

AnyRequest = Request[Any, Any, Any]

OPERATION = "operation"
"""The key of an operation's name among the options of its route."""


class Caller(Protocol):
    """The interface of RPC for the routes."""

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        """Return the reply to an operation; raise a fault if there is none."""


class ReplyResponse:
    """A reply as an ASGI response; Litestar's own response would encode the body again."""

    def __init__(self, reply: Reply, command_id: str | None) -> None:
        """`command_id` is the id of the command, None for a query."""
        self._reply = reply
        self._command_id = command_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        reply = self._reply
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
        ]
        if reply.retry_after is not None:
            headers.append((b"retry-after", b"%d" % reply.retry_after))
        if reply.age_ms is not None:
            headers.append((b"age", b"%d" % -(-reply.age_ms // 1000)))
        if self._command_id is not None:
            headers.append((b"command-id", self._command_id.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})


def routes(rpc: Caller, bodies: Bodies, guard: Guard) -> list[HTTPRouteHandler]:
    """Return a route for every operation."""
    return [_route(operation, rpc, bodies, guard) for operation in OPERATIONS.values()]


def _route(
    operation: type[Operation[Any]], rpc: Caller, bodies: Bodies, guard: Guard
) -> HTTPRouteHandler:
    row = operation.row
    own = own_parameters(operation)
    path = PATH_FIELD.sub(rf"{{{PREFIX}\1:str}}", "/{provider}" + row.path)

    async def handle(request: AnyRequest) -> ReplyResponse:
        give_command_id(request, row)
        requester = await guard.identify(request, row)
        provider = segment(request, "provider")
        values = {name: segment(request, name) for name in row.path_fields}
        guard.authorise(request, requester, row, provider, values["scope"])
        context = context_of(request, row, requester.name)
        values |= values_of(request.scope["query_string"], own)
        if not row.body:
            return await call(provider, values, context)
        async with bodies.read(request) as body:
            values |= _body(row, own, request.headers.get("content-type"), body)
            return await call(provider, values, context)

    async def call(provider: str, values: dict[str, Any], context: Context) -> ReplyResponse:
        reply = await rpc.call(
            provider, reject_embedded_secret(wire.build(operation, values)), context
        )
        return ReplyResponse(reply, context.command_id)

    handle.__name__ = row.name
    methods = READ if row.safe else [row.method]
    named = {OPERATION: row.name}
    return HTTPRouteHandler(path, http_method=methods, status_code=200, opt=named)(handle)


def _body(row: Row, own: frozenset[str], content_type: str | None, body: bytes) -> dict[str, Any]:
    """Return the operation's members of the body; refuse members that resemble its parameters."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != wire.JSON and not media_type.endswith("+json"):
        raise Fault(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"expected the content type {wire.JSON}, got {show(content_type or 'none')}",
        )
    parsed = wire.parse(body)
    if isinstance(row.body, str):
        return {row.body: parsed}
    for name in parsed:
        if name not in row.body and refusal(name[:SHOWN], own.union(row.body)):
            raise unknown_member("body", name, row.body)
    return {name: parsed[name] for name in row.body if name in parsed}
