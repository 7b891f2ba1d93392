"""The state of an HTTPRoute as texts."""

import pytest

from contracts.records.route_state import pair, plain, route_state


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "x-api-key", "access_token"])
def test_the_value_of_a_sensitive_header_is_left_out(name):
    assert pair(name, "canary") == name
    assert pair("x-deployment-id", "v6") == "x-deployment-id=v6"


def test_a_text_is_reduced_to_160_printable_characters():
    assert plain("a\x1b[31m\n" + "b" * 200) == "a[31m" + "b" * 155


@pytest.mark.parametrize(("cookie", "text"), [("dpl=v6", "dpl"), ("dpl", "dpl")])
def test_a_pinned_cookie_is_shown_by_its_name(cookie, text):
    value = rf"(.*;\s*)?{cookie}(\s*;.*)?"
    header = {"name": "Cookie", "type": "RegularExpression", "value": value}
    rule = {"matches": [{"headers": [header]}], "backendRefs": [{"name": "orders-v6"}]}

    assert route_state({"spec": {"rules": [rule]}})["rules"][0].startswith(f"cookie {text}")


@pytest.mark.parametrize("route", [{}, {"spec": None}, {"spec": {"rules": ["x"], "hostnames": 1}}])
def test_a_route_with_unexpected_members_has_no_rules(route):
    assert route_state(route) == {"hostnames": [], "rules": [], "backends": []}
