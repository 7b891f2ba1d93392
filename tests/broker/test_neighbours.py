"""A thing that does not answer holds up its own commands, and neither its neighbours nor others."""

from contracts import address
from tests.producer import lasting_event, publish
from tests.stack import Stack, eventually

SOME = 200


def neighbour(name: str) -> str:
    """Another controller whose commands wait in the same partition."""
    slot = address.slot(f"controllers.default.{name}")
    others = (f"{name}-{number}" for number in range(100))
    return next(each for each in others if address.slot(f"controllers.default.{each}") == slot)


def test_commands_behind_a_thing_that_does_not_answer_do_not_hold_up_its_partition(
    stack: Stack,
) -> None:
    """None of them is collapsed into the next."""
    gateway, _ = stack.serving(PLT_DEADLINE_MS="commands=5000")
    other = neighbour("hello")
    stack.sandbox.add_deployment(other, replicas=0)
    hanging = stack.sandbox.faults.add(method="PATCH", path="/hello$", delay=30)
    assert publish(stack.amqp_url, [lasting_event("hello", n) for n in range(SOME)]) == 0
    eventually(lambda: hanging.hits, 20, "the first of them runs")

    assert gateway.scale(other, 5).status_code == 200
    assert hanging.hits == 1
