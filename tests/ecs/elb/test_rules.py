"""The translation of listener rules from and to the form of the API."""

from typing import Any

import msgspec
import pytest

from contracts.faults import Code
from worker.providers.ecs.aws.errors import Failure
from worker.providers.ecs.elb import rules
from worker.providers.ecs.elb.listener import Listener, Owners
from worker.providers.ecs.elb.requests import DescribedRule
from worker.providers.ecs.elb.rules import Condition

HOST: dict[str, Any] = {"Field": "host-header", "HostHeaderConfig": {"Values": ["A.example"]}}
SHORT: dict[str, Any] = {"Field": "host-header", "Values": ["A.example"]}
QUERY: dict[str, Any] = {
    "Field": "query-string",
    "QueryStringConfig": {"Values": [{"Key": "dpl", "Value": "v6"}]},
}
HEADER: dict[str, Any] = {
    "Field": "http-header",
    "HttpHeaderConfig": {"HttpHeaderName": "X-Version", "Values": ["v6"]},
}
GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/a/1"
OTHER = GROUP.replace("/a/", "/b/")


def described(conditions: list[Any], actions: list[Any]) -> rules.Rule:
    answer = {"RuleArn": "rule", "Priority": "7", "Conditions": conditions, "Actions": actions}
    return rules.rule(msgspec.convert(answer, DescribedRule), {})


CONDITIONS = [
    ([HOST], [Condition("host-header", "a.example")]),
    ([SHORT], [Condition("host-header", "a.example")]),
    ([{**SHORT, **HOST}], [Condition("host-header", "a.example")]),
    ([QUERY], [Condition("query-string", "v6", "dpl")]),
    ([HEADER], [Condition("http-header", "v6", "x-version")]),
]


@pytest.mark.parametrize(("form", "expected"), CONDITIONS)
def test_conditions_are_read_in_every_form_of_the_api(form, expected):
    assert list(described(form, []).conditions) == expected


@pytest.mark.parametrize(
    "form",
    [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example", "b.example"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x", "Values": ["1", "2"]}},
    ],
)
def test_conditions_of_other_kinds_are_preserved(form):
    [found] = described([form], []).conditions

    assert not rules.is_default((found,))
    assert rules.conditions((found,)) == [form]


TARGETS = [
    ([{"Type": "forward", "TargetGroupArn": GROUP}], GROUP),
    (
        [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP}]}}],
        GROUP,
    ),
    (
        [
            {
                "Type": "forward",
                "TargetGroupArn": GROUP,
                "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 1}]},
            }
        ],
        GROUP,
    ),
    (
        [
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": GROUP}, {"TargetGroupArn": OTHER}]
                },
            }
        ],
        "",
    ),
    ([{"Type": "fixed-response"}], ""),
    ([], ""),
]


@pytest.mark.parametrize(("form", "expected"), TARGETS, ids=range(len(TARGETS)))
def test_the_only_target_group_is_read_in_every_form_of_the_api(form, expected):
    assert described([HOST], form).target == expected


@pytest.mark.parametrize("form", [HOST, QUERY, HEADER])
def test_conditions_survive_a_round_trip(form):
    found = described([form], []).conditions

    assert described(rules.conditions(found), []).conditions == found


OWNERS = [
    ({}, True),
    ({"plt.dev/managed-by": "me"}, False),
    ({"plt.dev/application": "shop"}, False),
    ({"plt.dev/cluster": "other"}, False),
]


@pytest.mark.parametrize(("tags", "expected"), OWNERS)
def test_tags_decide_which_application_owns_a_rule(tags, expected):
    assert rules.is_owned(rules.marks("orders", "shop") | tags, "orders", "shop") is expected


def test_a_rule_without_a_cluster_tag_belongs_to_every_cluster():
    tags = {"plt.dev/managed-by": "icc", "plt.dev/application": "orders"}

    assert rules.is_owned(tags, "orders", "shop")


@pytest.mark.parametrize(
    "malformed",
    [
        {"Priority": "soon"},
        {"Conditions": [{}]},
        {
            "Conditions": [
                {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a"}]}}
            ]
        },
        {"Conditions": [{"Field": "http-header", "HttpHeaderConfig": []}]},
        {"Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{}]}}]},
        {"Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": 7}}]},
    ],
    ids=str,
)
async def test_an_unreadable_rule_is_platform_failed(malformed):
    good = {"RuleArn": "rule/1", "Priority": "2", "Conditions": [], "Actions": []}

    class BoundClient:
        async def ask(self, action, expected, **parameters):
            described = {"ResourceArn": "rule/1", "Tags": []}
            return msgspec.convert({"TagDescriptions": [described]}, expected)

        async def pages(self, action, expected, **parameters):
            yield msgspec.convert({"Rules": [good | malformed]}, expected)

    listener = Listener(BoundClient(), "arn", "orders", "shop", Owners())  # type: ignore[arg-type]  # it has the methods

    with pytest.raises(Failure, match="cannot be read") as raised:
        await listener.read()

    assert raised.value.code is Code.PLATFORM_FAILED
