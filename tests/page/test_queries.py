"""The rate and the latency of a gateway's queries."""

from contracts.api import OPERATIONS
from contracts.broker.attendance import Attendance
from contracts.observation.registry import Registry
from gateway.metrics import Metrics
from gateway.page.queries import Answered, Queries


class Gateway:
    """A gateway's metrics, and a clock."""

    def __init__(self) -> None:
        self.metrics = Metrics(Registry("gateway"), Attendance(["k8s"]))
        self.seconds = 0.0
        self.queries = Queries(self.metrics.query_counts, lambda: self.seconds)

    def answer(self, number: int, seconds: float, operation: str = "get_machines") -> None:
        """Answer this number of queries, each in this time."""
        scope = {
            "route_handler": type("Handler", (), {"opt": {"operation": operation}}),
            "path_params": {"path_provider": "k8s"},
        }
        for _ in range(number):
            self.metrics.ended(scope, 200, b"", seconds)  # type: ignore[arg-type]  # a part of it

    def later(self, seconds: float) -> None:
        """Let time go on, and sample as a viewer's page does."""
        for _ in range(round(seconds)):
            self.seconds += 1
            self.queries.sample()


def test_before_two_samples_nothing_is_known() -> None:
    gateway = Gateway()
    assert gateway.queries.minute("k8s") is None
    gateway.later(1)
    assert gateway.queries.minute("k8s") is None


def test_the_rate_and_the_percentiles_are_those_since_the_first_sample() -> None:
    gateway = Gateway()
    gateway.answer(1000, 9.0)
    gateway.later(1)
    gateway.answer(18, 0.004)
    gateway.answer(2, 0.7)
    gateway.later(10)

    assert gateway.queries.minute("k8s") == Answered(120, [5, 1000])


def test_only_the_last_minute_counts() -> None:
    gateway = Gateway()
    gateway.later(1)
    gateway.answer(500, 0.004)
    gateway.later(100)

    assert gateway.queries.minute("k8s") == Answered(0, [])


def test_commands_are_no_queries() -> None:
    gateway = Gateway()
    gateway.later(1)
    commands = [name for name, operation in OPERATIONS.items() if not operation.row.safe]
    for name in commands:
        gateway.answer(1, 0.004, name)
    gateway.later(10)

    assert gateway.queries.minute("k8s") == Answered(0, [])


def test_a_very_slow_query_counts_as_the_largest_bound() -> None:
    gateway = Gateway()
    gateway.later(1)
    gateway.answer(1, 100.0)
    gateway.later(10)

    assert gateway.queries.minute("k8s") == Answered(6, [60_000, 60_000])
