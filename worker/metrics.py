"""The metrics that a worker counts: operations, and requests to the platform.

Labels have a closed set of values: the name of the provider, operations of the table, codes of
faults, and the actions and statuses that the provider's code knows.
"""

import time
from types import TracebackType

from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.observation.audit import AuditMetrics
from contracts.observation.registry import OTHER, Registry
from contracts.wire import Message
from worker.clock import waited
from worker.provider import Call

OK = "ok"
CANCELLED = "cancelled"
"""The code of an operation that was cut off: the worker stops, or the fence has closed."""

OF_OPERATION = ("provider", "operation")


class Metrics:
    """Counts at the seams of a worker."""

    def __init__(self, provider: str, registry: Registry) -> None:
        """`provider` is the name under which the provider is attached."""
        self.registry = registry
        self.audit = AuditMetrics(registry)
        self.audit.expect(provider)
        self.provider = provider
        self.ended = registry.counter(
            "machinist_worker_operations_total",
            "Operations that have ended, run or refused; code is ok or the code of the error.",
            *(*OF_OPERATION, "code"),
        )
        self.in_flight = registry.gauge(
            "machinist_worker_operations_in_flight", "Operations at the platform.", *OF_OPERATION
        )
        self.queue = registry.histogram(
            "machinist_worker_queue_duration_seconds",
            "The time from the publish of an operation to its start, in the broker and the worker.",
            *OF_OPERATION,
        )
        self.platform = registry.histogram(
            "machinist_worker_platform_duration_seconds",
            "The time of an operation in the provider, with all its requests to the platform.",
            *OF_OPERATION,
        )
        self.missed = registry.counter(
            "machinist_worker_deadlines_missed_total",
            "Operations whose deadline passed, in the queue or at the platform.",
            *(*OF_OPERATION, "stage"),
        )
        self.redeliveries = registry.counter(
            "machinist_worker_redeliveries_total",
            "Operations that were delivered once more by the broker.",
            *OF_OPERATION,
        )
        self.requests = registry.counter(
            "machinist_worker_platform_requests_total",
            "Requests to the platform; status is the HTTP status, AWS's error code, or the code of "
            "the error if there was no response.",
            *("provider", "action", "status"),
        )
        self.request_durations = registry.histogram(
            "machinist_worker_platform_request_duration_seconds",
            "The time of one request to the platform.",
            *("provider", "action"),
        )
        self.retries = registry.counter(
            "machinist_worker_platform_retries_total",
            "Requests to the platform that were sent again, by the code of the failure.",
            *("provider", "code"),
        )

    def redelivered(self, message: Message) -> None:
        """Count a delivery after the first one."""
        self.redeliveries[self.provider, _operation(message)].add()

    def started(self, message: Message, call: Call) -> None:
        """Record the time in the queue of a message that is run now."""
        seconds = waited(message, call.deadline - time.monotonic())
        if seconds is not None:
            self.queue[self.provider, _operation(message)].add(seconds)

    def refused(self, message: Message, code: Code) -> None:
        """Count an operation that ends without a run."""
        operation = _operation(message)
        self.ended[self.provider, operation, code.value].add()
        if code is Code.DEADLINE_EXCEEDED:
            self.missed[self.provider, operation, "queue"].add()

    def run(self, operation: str, call: Call) -> "Run":
        """Return a context that measures a run of an operation."""
        return Run(self, operation, call)


class Run:
    """The run of one operation in the provider."""

    __slots__ = ("_began", "_call", "_labels", "_metrics")

    def __init__(self, metrics: Metrics, operation: str, call: Call) -> None:
        self._metrics = metrics
        self._labels = (metrics.provider, operation)
        self._call = call

    def __enter__(self) -> None:
        self._metrics.in_flight[self._labels].add()
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        metrics = self._metrics
        metrics.platform[self._labels].add(time.perf_counter() - self._began)
        metrics.in_flight[self._labels].add(-1)
        code = OK
        if error is not None:
            code = error.code.value if isinstance(error, Fault) else CANCELLED
        metrics.ended[*self._labels, code].add()
        if code == Code.DEADLINE_EXCEEDED:
            metrics.missed[*self._labels, "platform"].add()
        for request in self._call.requests:
            metrics.requests[metrics.provider, request.action, request.status].add()
            metrics.request_durations[metrics.provider, request.action].add(request.seconds)
        for failure in self._call.retries:
            metrics.retries[metrics.provider, failure.value].add()


def _operation(message: Message) -> str:
    """Return the value of the label `operation` for a message, whose type any publisher chooses."""
    return message.type if message.type in OPERATIONS else OTHER
