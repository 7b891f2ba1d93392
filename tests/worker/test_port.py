"""The port: exactly the operations of the table, with the same types."""

import inspect
from typing import get_type_hints

import pytest

from contracts.api import OPERATIONS
from worker.provider import Call, Port


def methods_of_port() -> list[str]:
    """What a provider may have."""
    return [name for name in vars(Port) if not name.startswith("_")]


def test_the_port_has_the_operations_of_the_table_in_its_order():
    assert methods_of_port() == list(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_method_of_the_port_has_the_types_of_its_row(name):
    method = getattr(Port, name)

    assert inspect.iscoroutinefunction(method)
    assert get_type_hints(method) == {
        "operation": OPERATIONS[name],
        "call": Call,
        "return": OPERATIONS[name].row.result,
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_method_of_the_port_says_what_a_provider_has_to_do(name):
    assert inspect.getdoc(getattr(Port, name))


def test_a_call_knows_what_it_has_left():
    assert 9 < Call.within(10).left() <= 10
    assert Call.within(-1).left() == 0


def test_a_call_has_nothing_left_when_another_worker_takes_over():
    """A process that was frozen wakes up in the middle of a call, and must not send the next."""
    ours = [True]
    call = Call(Call.within(10).deadline, lambda: ours[0])
    assert call.left() > 9

    ours[0] = False
    assert call.left() == 0
