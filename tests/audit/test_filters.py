"""Filters compare what people know of a command: its time, result, address and requester."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.outcomes import Result
from gateway.audit.filters import Filters
from tests.audit.records import NOON, ended, in_stream

SECOND = timedelta(seconds=1)
FAILED = frozenset({Result.FAILED})


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"since": NOON}, True),
        ({"since": NOON + SECOND}, False),
        ({"until": NOON}, True),
        ({"until": NOON - SECOND}, False),
        ({"results": FAILED}, False),
        ({"results": FAILED | {Result.DONE}}, True),
        ({"operation": "update_controller_replicas"}, True),
        ({"operation": "delete_controller"}, False),
        ({"provider": "k8s"}, True),
        ({"provider": "k8"}, False),
        ({"provider": "k*"}, True),
        ({"scope": "default"}, True),
        ({"scope": "def"}, False),
        ({"name": "hello"}, True),
        ({"name": "h*o"}, True),
        ({"name": "H*"}, False),
        ({"scope": "hello"}, False),
        ({"by": "icc"}, True),
        ({"by": "gateway"}, True),
        ({"by": "ic"}, False),
        ({"by": "[i]cc"}, False),
        ({"id": "m1"}, True),
        ({"id": "m"}, True),
        ({"id": "1"}, False),
        ({"scope": "default", "name": "other"}, False),
    ],
)
def test_a_command_matches_if_it_meets_every_condition(
    conditions: dict[str, Any], expected: bool
) -> None:
    record = ended("m1")
    (message,) = in_stream(record)
    filters = Filters(**conditions)

    assert (filters.may_match(message) and filters.match(record)) is expected


def test_a_name_is_compared_as_the_address_has_it() -> None:
    (message,) = in_stream(ended("m1", address="controllers.default.hello-world-cb0d83"))

    assert Filters(name="hello.world").may_match(message)
    assert not Filters(name="hello.other").may_match(message)


def test_the_record_of_a_command_without_a_name_or_requester_matches_no_other() -> None:
    record = ended("m1", requested_by=None, user=None)
    (message,) = in_stream(ended("m1", address="-"))

    assert not Filters(name="hello").may_match(message)
    assert not Filters(by="icc").match(record)
