"""The plan of a replay: which commands are published again, and in which order."""

from typing import Any

import pytest

from contracts import topology
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from gateway.audit import replay_plan
from gateway.audit.commands import Commands
from gateway.audit.filters import Filters
from gateway.audit.replay_plan import Plan
from tests.audit.records import ended, in_stream, started

BODY = {"scope": "default", "name": "hello", "replicas": 5}


def plan(*records: Outcome) -> Plan:
    """Return the plan of records."""
    commands, made = Commands(Filters()), Plan()
    for message in in_stream(*records):
        if command := commands.add(message):
            made.add(command)
    for command in commands.unfinished():
        made.add(command)
    return made


def request(**what: Any) -> Request:
    known: dict[str, Any] = {"exchange": topology.COMMANDS, "body": BODY}
    return Request(**known | what)


def test_commands_are_replayed_in_the_order_in_which_they_were_started():
    other: dict[str, Any] = {"address": "controllers.default.other"}
    made = plan(
        started("a"),
        started("b", **other),
        ended("b", **other),
        ended("a"),
        started("c"),
        ended("c"),
    )

    assert list(made.ordered()) == [0, 1, 4]
    assert {each: made.addresses[each].commands for each in made.addresses} == {
        "controllers.default.other": 1,
        "controllers.default.hello": 2,
    }


def test_an_address_is_left_in_the_state_after_its_replayed_commands():
    made = plan(
        started("a"),
        ended("a", after={"replicas": 2, "images": ["a:1"]}),
        started("b"),
        ended("b", after={"replicas": 5}),
        started("c"),
        ended("c", Result.FAILED, after={"replicas": 9}),
    )

    [planned] = made.addresses.values()
    assert planned.state.members == {"replicas": 5, "images": ["a:1"]}


@pytest.mark.parametrize(
    "result", [Result.FAILED, Result.DEAD, Result.EXPIRED, Result.REFUSED, Result.SUPERSEDED]
)
def test_a_command_that_was_not_successful_is_skipped(result):
    made = plan(started("a"), ended("a", result))

    assert (list(made.offsets), made.skipped) == ([], {str(result): 1})


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([started("a"), ended("a", Result.UNKNOWN)], replay_plan.UNKNOWN),
        ([started("a")], replay_plan.STARTED),
        ([started("a", request=request(replay_of="z")), ended("a")], replay_plan.REPLAY),
        ([ended("a", repeats="z", request=request())], replay_plan.REPEAT),
        ([ended("a")], replay_plan.NO_REQUEST),
        (
            [started("a", request=request(body=None, withheld="x")), ended("a")],
            replay_plan.WITHHELD,
        ),
        ([started("a"), ended("a", operation="launch")], replay_plan.NO_OPERATION),
    ],
)
def test_a_command_that_cannot_be_replayed_is_skipped_with_the_reason(records, reason):
    made = plan(*records)

    assert (list(made.offsets), made.skipped) == ([], {reason: 1})


def test_a_sealed_command_is_replayed():
    made = plan(started("a", request=request(body=None, sealed="AQ==")), ended("a"))

    assert list(made.offsets) == [0]
