"""HTTP methods of resources: HEAD for every GET, and OPTIONS with the exact methods."""

from collections import defaultdict
from collections.abc import Iterable

from litestar import Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

READ = [HttpMethod.GET, HttpMethod.HEAD]
"""RFC 9110 §9.1 requires both GET and HEAD."""


def options_routes(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return an OPTIONS route for every path of these handlers.

    Litestar's own OPTIONS lists only the methods of the first handler registered for a path.
    """
    methods: dict[str, set[str]] = defaultdict(lambda: {HttpMethod.OPTIONS.value})
    for handler in handlers:
        for path in handler.paths:
            methods[path] |= {str(HttpMethod(method).value) for method in handler.http_methods}
    return [_options(path, ", ".join(sorted(allowed))) for path, allowed in methods.items()]


def _options(path: str, allow: str) -> HTTPRouteHandler:
    async def options() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": allow})

    return HTTPRouteHandler(path, http_method=HttpMethod.OPTIONS, status_code=204)(options)
