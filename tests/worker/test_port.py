"""The port: exactly the operations of the table, with the same types."""

import inspect
from typing import get_type_hints

import pytest

from contracts.api import OPERATIONS
from worker.provider import Call, Port


def methods_of_port() -> list[str]:
    """Return the names of the port's methods."""
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
def test_a_method_of_the_port_has_a_docstring(name):
    assert inspect.getdoc(getattr(Port, name))


def test_a_call_has_the_time_until_its_deadline_left():
    assert 9 < Call.within(10).left() <= 10
    assert Call.within(-1).left() == 0


def test_a_call_has_no_time_left_after_a_take_over():
    """A frozen process resumes within a call, and must not send the next request."""
    owns = [True]
    call = Call(Call.within(10).deadline, lambda: owns[0])
    assert call.left() > 9

    owns[0] = False
    assert call.left() == 0
