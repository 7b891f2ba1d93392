"""An unresponsive target delays its own commands, and neither its neighbours nor other targets."""

from contracts import address
from tests.producer import lasting_event, publish
from tests.stack import Stack, eventually

MANY = 5_000


def neighbour(name: str) -> str:
    """Another controller whose commands wait in the same partition."""
    slot = address.slot(f"controllers.default.{name}")
    others = (f"{name}-{number}" for number in range(100))
    return next(each for each in others if address.slot(f"controllers.default.{each}") == slot)


def test_five_thousand_commands_for_an_unresponsive_target_do_not_delay_its_neighbours(
    stack: Stack,
) -> None:
    """Each has an idempotency key, so that none supersedes another."""
    gateway, _ = stack.serving()
    other = neighbour("hello")
    stack.sandbox.add_deployment(other, replicas=0)
    hanging = stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=600, times=None)
    assert publish(stack.amqp_url, [lasting_event("hello", n) for n in range(MANY)]) == 0
    eventually(lambda: hanging.hits, what="the first of them runs")

    assert gateway.scale(other, 5).status_code == 200
    assert hanging.hits == 1
