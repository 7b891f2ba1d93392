"""The methods of resources: HEAD beside every GET, and OPTIONS that tells the true ones."""

from collections import defaultdict
from collections.abc import Iterable

from litestar import Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

READ = [HttpMethod.GET, HttpMethod.HEAD]
"""The methods of whatever can be read: RFC 9110 §9.1 asks for both."""


def options_routes(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """OPTIONS for every path of these handlers.

    Litestar's own tells only the methods of the handler that was registered first for a path.
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
