"""A command of the audit as text: what it changed, who requested it, why it failed."""

from typing import Any

import pytest

from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.records.requests import Request
from contracts.records.summary import Summary
from gateway.audit.text import changes_of, requester, what
from gateway.console.audit.tail import line
from tests.audit.records import ended, outcome, started

FAULT = Cause(Code.NOT_FOUND, "no such controller")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"replicas": 3, "running": 3}, {"replicas": 5, "running": 3}, ["replicas 3 → 5"]),
        ({"running": 3}, {"replicas": 5, "running": 3}, ["replicas → 5"]),
        ({"replicas": 5}, {"replicas": 5}, ["no change"]),
        ({"exists": False}, {"replicas": 1}, ["exists false →", "replicas → 1"]),
        ({"images": ["a:1"]}, {"images": ["a:2", "b"]}, ["images a:1 → a:2 b"]),
        ({"images": ["a:1"]}, {"images": []}, ["images a:1 → none"]),
        ({"labels": {"tier": "a"}}, {"labels": {"tier": "b"}}, ["labels.tier a → b"]),
        ({"labels": {"tier": None}}, {"labels": {"tier": "b"}}, ["labels.tier null → b"]),
        (None, None, ["replicas → 5"]),
    ],
)
def test_the_changed_members_are_shown_else_the_request(
    before: Any, after: Any, expected: list[str]
) -> None:
    request = started("m1").request

    assert changes_of(ended("m1", before=before, after=after, request=request)) == expected


def test_a_sealed_request_is_shown_by_its_summary() -> None:
    summary = Summary(images=["web:2"], replicas=2, labels={"tier": "a"}, secret_keys=["token"])
    request = Request(exchange="machinist.commands", sealed="c2VhbGVk", summary=summary)
    command = outcome("m1", Result.STARTED, operation="apply_workload", request=request)

    assert what(command) == ("apply_workload replicas → 2, labels.tier → a, images → web:2")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (ended("m1", Result.FAILED, fault=FAULT), "not_found: no such controller"),
        (ended("m1", Result.SUPERSEDED, superseded_by="m2"), "superseded by m2"),
        (ended("m1", before={"replicas": 3}, after={"replicas": 5}), "replicas 3 → 5"),
        (ended("m1", operation="delete_controller"), "delete_controller"),
        (ended("m1", operation="of a newer version"), "of a newer version"),
    ],
)
def test_the_operation_is_left_out_if_the_change_tells_it(command: Outcome, expected: str) -> None:
    assert what(command).endswith(expected)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("icc", "gateway"), "icc via gateway"),
        (("icc", "icc"), "icc"),
        ((None, "billing"), "billing"),
        ((None, None), "-"),
    ],
)
def test_the_requester_is_shown_with_the_broker_user(
    names: tuple[str | None, str | None], expected: str
) -> None:
    requested_by, user = names

    assert requester(ended("m1", requested_by=requested_by, user=user)) == expected


def test_a_line_of_the_tail_is_printable_whatever_the_record_contains() -> None:
    shown = line(ended("\x1b[2Jm1\r\n", operation="a\u202eb", requested_by="\x1b]0;x"))

    assert r"\x1b[2Jm1\r\n" in shown
    assert "\u202e" not in shown
    assert shown.count("\x1b") == 2  # the colour of the result


def test_a_replayed_command_is_marked() -> None:
    request = Request(exchange="machinist.commands", body={"replicas": 5}, replay_of="m0")

    assert what(ended("m1", request=request, after={"replicas": 5})) == "replicas → 5 (replay)"
