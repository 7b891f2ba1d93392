"""What `deploy/up` tells while it runs: the end of its processes and of the broker."""

from typing import Any, cast

import pytest

from deploy.child import Child
from deploy.failed import Failed
from deploy.progress import Progress
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.node import RabbitNode
from deploy.stack import Stack
from deploy.watching import Watch

NAMED = Broker("amqp://theirs/", "theirs")


class Processes:
    """A stack whose gateway says what a test wants."""

    def __init__(self) -> None:
        self.said: dict[str, Any] | None = None

    def ended(self) -> list[Child]:
        return []

    def said_ready(self) -> dict[str, Any] | None:
        return self.said

    def broker(self, reason: str | None) -> None:
        self.said = {"broker": {"reachable": reason is None, "reason": reason}}


def watch(processes: Processes, broker: Broker) -> Watch:
    return Watch(cast(Stack, processes), broker, Progress())


def test_the_end_of_a_broker_that_was_started_is_a_failure_that_says_how() -> None:
    ends = [None, "RabbitMQ's server ended with -9"]
    broker = Broker("amqp://ours/", "a private node", end=lambda: ends.pop(0))
    watching = watch(Processes(), broker)
    watching.look(ask=False)

    with pytest.raises(Failed, match=r"the broker is gone \(a private node\): .* ended with -9"):
        watching.look(ask=False)


def test_a_broker_of_others_that_goes_and_comes_back_is_told_once_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    processes = Processes()
    watching = watch(processes, NAMED)
    for reason in (None, "theirs:5672: refused", "theirs:5672: refused", None, None):
        processes.broker(reason)
        watching.look(ask=True)
    processes.said = None
    watching.look(ask=True)

    told = [line.partition("broker")[2].strip() for line in capsys.readouterr().out.splitlines()]
    assert told == ["not reachable: theirs:5672: refused", "reachable again"]


@pytest.mark.broker
def test_a_node_that_was_killed_says_how_it_ended(tmp_path: Any) -> None:
    with RabbitNode(tmp_path / "node", management=False) as node:
        assert node.end() is None
        node.kill()

        assert "ended with -9" in str(node.end())
