"""An unresponsive target delays only its own commands."""

from contracts import address
from tests.producer import lasting_event, publish
from tests.stack import Stack, eventually

MANY = 5_000


def neighbour(name: str) -> str:
    """Return another controller in the same partition."""
    slot = address.slot(f"controllers.default.{name}")
    others = (f"{name}-{number}" for number in range(100))
    return next(each for each in others if address.slot(f"controllers.default.{each}") == slot)


def test_5000_commands_for_an_unresponsive_target_do_not_delay_its_partition(
    stack: Stack,
) -> None:
    """An idempotency key on each command prevents superseding."""
    gateway, _ = stack.serving()
    other = neighbour("hello")
    stack.sandbox.add_deployment(other, replicas=0)
    hanging = stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=600, times=None)
    assert publish(stack.amqp_url, [lasting_event("hello", n) for n in range(MANY)]) == 0
    eventually(lambda: hanging.hits, what="the first command runs")

    assert gateway.scale(other, 5).status_code == 200
    assert hanging.hits == 1
