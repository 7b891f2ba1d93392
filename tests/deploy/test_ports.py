"""A port of ours is nobody else's."""

import socket

import pytest

from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port


def test_a_reserved_port_is_not_given_twice() -> None:
    """Not even while nobody listens there yet: another deploy/up may be starting, too."""
    first = Port.any_free()
    second = Port.first_free([first.number, *range(first.number + 1, first.number + 50)])
    numbers = {first.number, second.number}
    first.release()
    second.release()

    assert len(numbers) == 2


def test_a_port_on_which_somebody_listens_is_passed_over() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        busy = server.getsockname()[1]

        with pytest.raises(Failed, match=f"{busy}: Address already in use"):
            Port.first_free([busy])


def test_a_released_port_can_be_taken_again() -> None:
    first = Port.any_free()
    first.release()
    again = Port(first.number)
    again.release()

    assert again.number == first.number
