"""The span of a request to the API server."""

from urllib.parse import urlsplit

from contracts.observation import traces
from contracts.observation.spans import NO_SPAN, Kind, Span
from worker.providers.k8s.api.requests import Request


def request_span(request: Request, base_url: str) -> Span:
    """Return the span of one attempt. Its URL has no query, which contains label selectors.

    The request carries its context, for proxies on the way and for an API server that traces.
    """
    if traces.tracer() is None:
        return NO_SPAN
    path = request.target.partition("?")[0]
    server = urlsplit(base_url)
    attributes = {
        "http.request.method": request.method,
        "url.full": f"{server.scheme}://{server.hostname}{path}",
        "server.address": server.hostname,
        "server.port": server.port or (443 if server.scheme == "https" else 80),
    }
    return traces.span(f"{request.method} {resource(path)}", Kind.CLIENT, attributes)


def resource(path: str) -> str:
    """Return the resource type in a path, with the subresource: `deployments/scale`."""
    words = path.strip("/").split("/")
    rest = words[2:] if words[0] == "api" else words[3:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join([*rest[:1], *rest[2:3]]) or words[0]
