"""Reserving ports."""

import socket

import pytest

from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port


def test_a_reserved_port_without_a_listener_is_not_reserved_again() -> None:
    """Another `deploy/up` may be starting at the same time."""
    first = Port.any_free()
    second = Port.first_free([first.number, *range(first.number + 1, first.number + 50)])
    numbers = {first.number, second.number}
    first.release()
    second.release()

    assert len(numbers) == 2


def test_a_port_with_a_listener_is_skipped() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        busy = server.getsockname()[1]

        with pytest.raises(Failed, match=f"{busy}: Address already in use"):
            Port.first_free([busy])


def test_a_released_port_can_be_reserved_again() -> None:
    first = Port.any_free()
    first.release()
    again = Port(first.number)
    again.release()

    assert again.number == first.number
