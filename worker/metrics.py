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
from worker.messages.clock import waited
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
        self._series = AllSeries(self)
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
            self._series[_operation(message)].queue.add(seconds)

    def refused(self, message: Message, code: Code) -> None:
        """Count an operation that ends without a run."""
        operation = _operation(message)
        self.ended[self.provider, operation, code.value].add()
        if code is Code.DEADLINE_EXCEEDED:
            self.missed[self.provider, operation, "queue"].add()

    def run(self, operation: str, call: Call) -> "Run":
        """Return a context that measures a run of an operation."""
        return Run(self, self._series[operation], call)

    def failed(self, operation: str, error: BaseException) -> None:
        """Count a run that ended with an error."""
        code = error.code.value if isinstance(error, Fault) else CANCELLED
        self.ended[self.provider, operation, code].add()
        if code == Code.DEADLINE_EXCEEDED:
            self.missed[self.provider, operation, "platform"].add()

    def sent(self, call: Call) -> None:
        """Count the requests and retries that a call has reported."""
        for request in call.requests:
            self.requests[self.provider, request.action, request.status].add()
            self.request_durations[self.provider, request.action].add(request.seconds)
        for failure in call.retries:
            self.retries[self.provider, failure.value].add()


class Series:
    """The series that every run of one operation changes, looked up once."""

    __slots__ = ("in_flight", "ok", "operation", "platform", "queue")

    def __init__(self, metrics: Metrics, operation: str) -> None:
        labels = (metrics.provider, operation)
        self.operation = operation
        self.queue = metrics.queue[labels]
        self.platform = metrics.platform[labels]
        self.in_flight = metrics.in_flight[labels]
        self.ok = metrics.ended[*labels, OK]


class AllSeries(dict[str, Series]):
    """The series by operation, from the first run of each."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def __missing__(self, operation: str) -> Series:
        series = self[operation] = Series(self._metrics, operation)
        return series


class Run:
    """The run of one operation in the provider."""

    __slots__ = ("_began", "_call", "_metrics", "_series")

    def __init__(self, metrics: Metrics, series: Series, call: Call) -> None:
        self._metrics = metrics
        self._series = series
        self._call = call

    def __enter__(self) -> None:
        self._series.in_flight.value += 1
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        series, call = self._series, self._call
        series.platform.add(time.perf_counter() - self._began)
        series.in_flight.value -= 1
        if error is None:
            series.ok.value += 1
        else:
            self._metrics.failed(series.operation, error)
        if call.requests or call.retries:
            self._metrics.sent(call)


def _operation(message: Message) -> str:
    """Return the value of the label `operation` for a message, whose type any publisher chooses."""
    return message.type if message.type in OPERATIONS else OTHER
