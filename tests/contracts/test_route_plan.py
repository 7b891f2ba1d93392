"""The platform-neutral route plan: checks that hold on every platform."""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.neutral import route_plan


def plan(*matches: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {"match": match, "backend": {"serviceName": "orders-v7"}, "versionId": "v7"}
        for match in matches
    ]
    return {"appName": "orders", "hostname": "orders.example.org", "rules": rules}


def pin(kind: str, name: str, value: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "value": value}


@pytest.mark.parametrize("value", ["a\nb", "\0", "a\x1b[0m", "\x7f", "a\x85b", "\t"])
@pytest.mark.parametrize("kind", ["header", "queryParam", "cookie"])
def test_a_value_with_a_control_character_is_invalid(kind, value):
    with pytest.raises(Fault, match="expected a text without control characters") as raised:
        route_plan.read(plan(pin(kind, "x-a", value), {"kind": "default"}))

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith("plan.rules[0].match.value: ")


def test_a_value_with_spaces_and_letters_of_every_script_is_left_to_the_platform():
    read = route_plan.read(plan(pin("header", "X-A", "Zürich 東京")))

    assert read.rules[0].match.value == "Zürich 東京"


def test_two_rules_for_one_header_whose_names_differ_in_case_are_invalid():
    with pytest.raises(Fault, match="expected other requests than those of") as raised:
        route_plan.read(plan(pin("header", "X-A", "1"), pin("header", "x-a", "1")))

    assert raised.value.code is Code.INVALID


@pytest.mark.parametrize("kind", ["queryParam", "cookie"])
def test_names_of_query_parameters_and_cookies_are_case_sensitive(kind):
    assert len(route_plan.read(plan(pin(kind, "A", "1"), pin(kind, "a", "1"))).rules) == 2
