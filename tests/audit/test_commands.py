"""Commands from records in the order of the stream."""

from datetime import timedelta
from typing import Any

import pytest

from contracts import topology
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from gateway.audit.commands import Command, Commands
from gateway.audit.filters import Filters
from tests.audit.records import NOON, ended, in_stream, started


def read(*records: Outcome, **filters: Any) -> list[Command]:
    """Return the commands in records, unfinished ones last."""
    commands = Commands(Filters(**filters))
    found = [commands.add(message) for message in in_stream(*records)]
    return [*filter(None, found), *commands.unfinished()]


def test_commands_are_read_in_the_order_in_which_they_ended():
    found = read(started("a"), started("b"), ended("b"), ended("a"))

    assert [each.outcome.id for each in found] == ["b", "a"]
    assert [each.position for each in found] == [1, 0]


def test_a_command_has_the_position_and_the_target_of_its_request():
    [found] = read(started("a"), ended("a"))

    assert found.requested is not None
    assert (found.requested.offset, found.requested.is_kept) == (0, True)
    assert (found.requested.scope, found.requested.name) == ("default", "hello")
    assert found.outcome.request is None


def test_the_name_in_a_manifest_is_that_of_the_target():
    body = {"scope": "shop", "manifest": {"metadata": {"name": "a.b"}}}
    route: dict[str, Any] = {
        "operation": "apply_http_route",
        "address": "httproutes.shop.a-b-8ec1d3",
    }
    request = Request(exchange=topology.COMMANDS, body=body)
    [found] = read(started("a", request=request, **route), ended("a", **route))

    assert found.requested is not None
    assert (found.requested.scope, found.requested.name) == ("shop", "a.b")


def test_the_first_final_record_of_a_command_counts():
    found = read(started("a"), ended("a"), started("a"), ended("a", Result.FAILED))

    assert [each.outcome.result for each in found] == [Result.DONE]


def test_a_redelivered_command_has_the_position_of_its_first_start():
    [found] = read(started("a"), started("b"), started("a"), ended("a"), name="hello", id="a")

    assert found.position == 0


def test_a_command_without_an_end_is_returned_last():
    found = read(started("a"), started("b"), ended("b"))

    assert [each.outcome.result for each in found] == [Result.DONE, Result.STARTED]


def test_equal_ids_of_two_providers_are_two_commands():
    found = read(started("a"), ended("a", provider="ecs"), ended("a"))

    assert [(each.outcome.provider, each.was_started) for each in found] == [
        ("ecs", False),
        ("k8s", True),
    ]


@pytest.mark.parametrize(
    "filters",
    [
        {"since": NOON + timedelta(seconds=1)},
        {"until": NOON - timedelta(hours=1)},
        {"results": frozenset({Result.FAILED})},
        {"name": "other"},
        {"by": "nobody"},
    ],
)
def test_a_command_that_does_not_match_is_left_out(filters):
    assert read(started("a"), ended("a"), **filters) == []
