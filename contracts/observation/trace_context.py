"""W3C Trace Context: the headers `traceparent` and `tracestate` of requests and messages; pure.

https://www.w3.org/TR/trace-context/
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from contracts.wire import HEADER_TRACEPARENT, HEADER_TRACESTATE

_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MEMBER = re.compile(
    r"[a-z0-9][a-z0-9_*/-]{0,240}(@[a-z][a-z0-9_*/-]{0,13})?=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
_MAX_MEMBERS = 32
_MAX_STATE = 512
"""Characters that every vendor must pass on."""


class TraceContext(Struct, frozen=True):
    """A valid context: the parent of the next span."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The 32 hexadecimal digits of the trace."""
        return self.traceparent[3:35]

    @property
    def parent_id(self) -> str:
        """The 16 hexadecimal digits of the parent span."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """The trace flags; the lowest bit is set if the caller recorded the trace."""
        return int(self.traceparent[53:55], 16)

    def headers(self) -> dict[str, str]:
        """Return the context as headers."""
        if not self.tracestate:
            return {HEADER_TRACEPARENT: self.traceparent}
        return {HEADER_TRACEPARENT: self.traceparent, HEADER_TRACESTATE: self.tracestate}


def read(traceparent: object, tracestate: object = None) -> TraceContext | None:
    """Return the context in the values of both headers, None without a valid `traceparent`.

    An invalid `tracestate` is dropped alone, as the specification requires.
    """
    if not isinstance(traceparent, str) or not _VALID.fullmatch(traceparent):
        return None
    return TraceContext(traceparent, tracestate if _is_state(tracestate) else "")  # type: ignore[arg-type]


def of_message(headers: Mapping[str, object]) -> TraceContext | None:
    """Return the context in the headers of a message."""
    return read(headers.get(HEADER_TRACEPARENT), headers.get(HEADER_TRACESTATE))


def of_request(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Return the context in the headers of an HTTP request; names are in lower case.

    Several `traceparent` are invalid, several `tracestate` are one list.
    """
    parents = []
    states = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1"))
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    return read(parents[0], ",".join(states)) if len(parents) == 1 else None


def _is_state(text: object) -> bool:
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_STATE:
        return False
    members = [member for each in text.split(",") if (member := each.strip(" \t"))]
    return len(members) <= _MAX_MEMBERS and all(map(_MEMBER.fullmatch, members))
