"""Spans: what is recorded of a request, a message or a platform call."""

from collections.abc import Mapping
from contextvars import ContextVar
from enum import Enum, auto
from types import TracebackType
from typing import Self

from contracts.observation.trace_context import TraceContext

Value = str | int | None
Attributes = Mapping[str, Value]
"""Attributes of a span; None is left out. They contain no body, no token and no message text."""


class Kind(Enum):
    """The kind of a span, as OpenTelemetry defines it."""

    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


class Span:
    """The interface of a span, and the span that records nothing."""

    @property
    def context(self) -> TraceContext | None:
        """The context to propagate; None if nothing is recorded."""
        return None

    def rename(self, name: str) -> None:
        """Change the name: the route of a request is not known at its start."""

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""

    def fail(self, code: str) -> None:
        """Set the status ERROR and the attribute `error.type`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the span; an exception makes it fail, and its message is not recorded."""


NO_SPAN = Span()

CURRENT: ContextVar[Span] = ContextVar("the current span", default=NO_SPAN)
"""The innermost span of this task."""
