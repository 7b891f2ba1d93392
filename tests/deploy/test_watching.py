"""Reports of `deploy/up` while it runs: the end of its processes and of the broker."""

from typing import Any, cast

import pytest

from deploy.failed import Failed
from deploy.process import ChildProcess
from deploy.progress import Progress
from deploy.rabbitmq.broker import Broker
from deploy.stack import Stack
from deploy.watching import Watch

NAMED = Broker("amqp://theirs/", "theirs")


class FakeStack:
    """A stack with a scripted response of the gateway."""

    def __init__(self) -> None:
        self.response: dict[str, Any] | None = None

    def ended(self) -> list[ChildProcess]:
        return []

    def readiness(self) -> dict[str, Any] | None:
        return self.response

    def set_broker(self, reason: str | None) -> None:
        self.response = {"broker": {"reachable": reason is None, "reason": reason}}


def watch(stack: FakeStack, broker: Broker) -> Watch:
    return Watch(cast(Stack, stack), broker, Progress())


def test_the_end_of_a_private_broker_is_a_failure_with_its_exit_status() -> None:
    reasons = [None, "RabbitMQ's server ended with -9"]
    broker = Broker("amqp://ours/", "a private node", exit_reason=lambda: reasons.pop(0))
    watching = watch(FakeStack(), broker)
    watching.check(with_gateway=False)

    with pytest.raises(Failed, match=r"the broker has ended \(a private node\): .* ended with -9"):
        watching.check(with_gateway=False)


def test_the_loss_and_the_return_of_a_named_broker_are_reported_once_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = FakeStack()
    watching = watch(stack, NAMED)
    for reason in (None, "theirs:5672: refused", "theirs:5672: refused", None, None):
        stack.set_broker(reason)
        watching.check(with_gateway=True)
    stack.response = None
    watching.check(with_gateway=True)

    printed = [line.partition("broker")[2].strip() for line in capsys.readouterr().out.splitlines()]
    assert printed == ["not reachable: theirs:5672: refused", "reachable again"]
