"""The span of a request to AWS, which gets no trace context: its services do not read W3C's."""

from typing import Any

from contracts.observation import traces
from contracts.observation.spans import NO_SPAN, Kind, Span


def action_span(action: str, region: str) -> Span:
    """Return the span of one attempt of an action in IAM's spelling."""
    if traces.tracer() is None:
        return NO_SPAN
    service, _, method = action.partition(":")
    attributes = {
        "rpc.system": "aws-api",
        "rpc.service": service,
        "rpc.method": method,
        "cloud.region": region,
    }
    return traces.span(action, Kind.CLIENT, attributes)


def note_status(answer: Any) -> None:
    """Set the HTTP status of an answer, also of an error, in the span of its request."""
    metadata = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    if isinstance(status, int):
        traces.current().set("http.response.status_code", status)
