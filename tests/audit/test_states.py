"""The states in which audited commands left their addresses."""

from typing import Any

import pytest

from contracts.outcomes import Outcome, Result
from gateway.audit.commands import Commands
from gateway.audit.filters import Filters
from gateway.audit.states import State, States
from tests.audit.records import ended, in_stream, started


def state(*records: Outcome) -> State:
    """Return the only state that records leave."""
    commands, states = Commands(Filters()), States()
    for message in in_stream(*records):
        if command := commands.add(message):
            states.add(command)
    for command in commands.unfinished():
        states.add(command)
    [found] = states.all.values()
    return found


def run(identity: str, after: Any, result: Result = Result.DONE, **what: Any) -> list[Outcome]:
    """Return start and end of a command that left a state."""
    address = {key: what[key] for key in ("address",) if key in what}
    return [started(identity, **address), ended(identity, result, after=after, **what)]


APPLIED = {"replicas": 1, "running": 0, "images": ["a:1"], "labels": {"x": "1"}, "ports": []}


def test_members_of_several_commands_are_added_up():
    found = state(*run("a", APPLIED), *run("b", {"replicas": 5, "running": 1}))

    assert found.exists is True
    assert found.members == {"replicas": 5, "images": ["a:1"], "labels": {"x": "1"}, "ports": []}


def test_labels_of_a_controller_are_replaced_and_those_of_a_machine_are_added_up():
    machine: dict[str, Any] = {"address": "machines.default.m"}
    controller = state(*run("a", {"labels": {"x": "1"}}), *run("b", {"labels": {"y": "2"}}))
    one = state(
        *run("a", {"labels": {"x": "1"}}, **machine),
        *run("b", {"labels": {"y": "2", "z": None}}, **machine),
    )

    assert controller.members["labels"] == {"y": "2"}
    assert one.members["labels"] == {"x": "1", "y": "2", "z": None}


@pytest.mark.parametrize("after", [{"exists": False}, {"exists": True, "deleting": True}])
def test_a_deletion_removes_all_members(after):
    found = state(*run("a", APPLIED), *run("b", after))

    assert (found.exists, found.members) == (False, {})
    assert found.last_labels == {"x": "1"}


def test_a_recreated_resource_has_none_of_the_former_members():
    found = state(*run("a", APPLIED), *run("b", {"exists": False}), *run("c", {"replicas": 2}))

    assert (found.exists, found.members) == (True, {"replicas": 2})


@pytest.mark.parametrize("result", [Result.REFUSED, Result.EXPIRED, Result.SUPERSEDED])
def test_a_command_that_was_not_run_leaves_the_state(result):
    found = state(*run("a", APPLIED), ended("b", result))

    assert (found.members["replicas"], found.uncertain) == (1, None)


def test_a_failed_command_without_an_effect_leaves_the_state():
    found = state(*run("a", APPLIED), *run("b", None, Result.FAILED, status=404))

    assert (found.members["replicas"], found.uncertain) == (1, None)


def test_a_failed_command_with_a_recorded_effect_changes_the_state():
    found = state(*run("a", APPLIED), *run("b", {"exists": False}, Result.FAILED, status=502))

    assert (found.exists, found.uncertain) == (False, None)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Result.UNKNOWN, 504),
        (Result.DEAD, 502),
        (Result.FAILED, 504),
        (Result.FAILED, 502),
        (Result.FAILED, 500),
        (Result.DONE, 200),
    ],
)
def test_a_later_command_with_an_unknown_effect_makes_the_state_uncertain(result, status):
    found = state(*run("a", APPLIED), *run("b", None, result, status=status))

    assert (found.members["replicas"], found.uncertain) == (1, "b")


def test_a_command_that_has_not_ended_makes_the_state_uncertain():
    assert state(*run("a", APPLIED), started("b")).uncertain == "b"


def test_a_dead_command_that_was_never_started_is_certain():
    assert state(*run("a", APPLIED), ended("b", Result.DEAD)).uncertain is None


def test_a_later_known_effect_makes_the_state_certain_again():
    found = state(*run("a", None, Result.UNKNOWN), *run("b", {"replicas": 3}))

    assert (found.members, found.uncertain) == ({"replicas": 3}, None)


def test_a_late_record_of_an_earlier_lost_command_changes_nothing():
    lost, second = run("a", None, Result.UNKNOWN), run("b", {"replicas": 3})
    found = state(lost[0], *second, lost[1])

    assert (found.members, found.uncertain) == ({"replicas": 3}, None)


def test_a_repeat_that_was_answered_from_memory_changes_nothing():
    found = state(
        *run("a", {"replicas": 1}),
        *run("b", {"replicas": 2}),
        ended("c", after={"replicas": 1}, repeats="a"),
    )

    assert found.members == {"replicas": 2}


def test_a_deletion_without_an_object_of_its_own_changes_nothing():
    assert state(*run("a", {"changed": False})).exists is None


def test_shortened_members_are_named_until_they_are_whole_again():
    first = run("a", {"replicas": 1, "labels": {"x": "1"}, "shortened": ["labels"]})

    assert state(*first).shortened == {"labels"}
    assert state(*first, *run("b", {"labels": {"x": "2"}})).shortened == frozenset()
