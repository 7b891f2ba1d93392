"""The metrics of a gateway: its requests by provider and operation, and the attached workers.

Labels have a closed set of values: operations of the table, codes of faults, statuses, and
providers that are expected or have workers. A path may name any provider and any operation; all
requests for unknown ones are counted under OTHER.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import unquote

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from contracts.api import OPERATIONS
from contracts.broker.attendance import Attendance
from contracts.faults import Code
from contracts.observation.audit import AuditMetrics
from contracts.observation.registry import MAX_SERIES, OTHER, Registry
from gateway.http.path_parameters import PREFIX
from gateway.routes import OPERATION

OK = "ok"
PROVIDER = f"{PREFIX}provider"
STATUSES = {int(status): str(int(status)) for status in HTTPStatus}

Calls = Callable[[], Mapping[tuple[str, str], int]]
"""Returns the number of calls that wait for a reply, by provider and operation."""


class ProviderLabels:
    """The value of the label `provider`: the name of a known provider, or OTHER."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self.known: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the value for a name from a path or a message."""
        if name in self.known:
            return name
        if not self._knows(name) or len(self.known) >= MAX_SERIES:
            return OTHER
        self.known.add(name)
        return name


class Metrics:
    """Counts requests, and reads the rest when the gateway is scraped."""

    def __init__(self, registry: Registry, attendance: Attendance) -> None:
        labels = ("provider", "operation")
        self._registry = registry
        self._attendance = attendance
        self._providers = ProviderLabels(attendance.knows)
        self.audit = AuditMetrics(registry, self._providers)
        self._requests = registry.counter(
            "machinist_gateway_requests_total",
            "Requests for operations and for unknown paths; code is ok or the code of the error.",
            *(*labels, "status", "code"),
        )
        self._durations = registry.histogram(
            "machinist_gateway_request_duration_seconds",
            "The time from the head of a request to the end of its response.",
            *labels,
        )
        self._in_flight = registry.gauge(
            "machinist_gateway_requests_in_flight", "Calls that wait for a worker's reply.", *labels
        )
        self._limit = registry.gauge(
            "machinist_gateway_requests_in_flight_limit", "The limit of calls: PLT_IN_FLIGHT."
        )
        self._workers = registry.gauge(
            "machinist_gateway_provider_workers",
            "The workers that are attached, for each provider that is expected or has a queue.",
            "provider",
        )

    def watch(self, calls: Calls, limit: int) -> None:
        """Read the waiting calls and the workers at each scrape."""
        self._limit[()].set(limit)
        self._registry.on_scrape(lambda: self._sample(calls()))

    def query_counts(self) -> dict[str, list[int]]:
        """Return the number of answered queries by provider, for each bound of a duration."""
        found: dict[str, list[int]] = {}
        for (provider, name), durations in self._durations.items():
            operation = OPERATIONS.get(name)
            if operation is not None and operation.row.safe:
                former = found.get(provider, [0] * len(durations.counts))
                pairs = zip(former, durations.counts, strict=True)
                found[provider] = [a + b for a, b in pairs]
        return found

    def ended(self, scope: Scope, status: int, body: bytes, seconds: float) -> None:
        """Count a request that has ended with a status and this body; 0 if it had no response."""
        provider, operation = OTHER, OTHER
        if "route_handler" in scope:
            operation = scope["route_handler"].opt.get(OPERATION, "")
            if not operation:
                return  # a page of the gateway itself
            provider = self._providers(unquote(scope["path_params"][PROVIDER]))
            self._durations[provider, operation].add(seconds)
        code = OK if 200 <= status < 400 else _code(body)
        self._requests[provider, operation, STATUSES.get(status, OTHER), code].add()

    def _sample(self, calls: Mapping[tuple[str, str], int]) -> None:
        for labels in self._durations:
            self._in_flight[labels].set(0)
        for (provider, operation), number in calls.items():
            self._in_flight[self._providers(provider), operation].set(number)
        for provider in self._attendance.providers():
            self._providers(provider)
        for provider in self._providers.known:
            self._workers[provider,].set(self._attendance.attached(provider))
            self.audit.expect(provider)


class _Problem(msgspec.Struct):
    """The part of an error body that is a label."""

    code: Code


_PROBLEM = msgspec.json.Decoder(_Problem)


def _code(body: bytes) -> str:
    """Return the code in an error body, OTHER if there is none from the closed set."""
    try:
        return _PROBLEM.decode(body).code.value
    except msgspec.DecodeError:
        return OTHER


class Measured:
    """An ASGI application whose requests are counted, from outside all of its error handlers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began = time.perf_counter()
        status, body = 0, b""

        async def observed(message: Message) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                body = message["body"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._metrics.ended(scope, status, body, time.perf_counter() - began)
