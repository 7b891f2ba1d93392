"""Rules of a listener as AWS describes them."""

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
    said = {"RuleArn": "rule", "Priority": "7", "Conditions": conditions, "Actions": actions}
    return rules.rule(msgspec.convert(said, DescribedRule), {})


CONDITIONS = [
    ([HOST], [Condition("host-header", "a.example")]),
    ([SHORT], [Condition("host-header", "a.example")]),
    ([{**SHORT, **HOST}], [Condition("host-header", "a.example")]),
    ([QUERY], [Condition("query-string", "v6", "dpl")]),
    ([HEADER], [Condition("http-header", "v6", "x-version")]),
]


@pytest.mark.parametrize(("said", "expected"), CONDITIONS)
def test_conditions_are_read_in_every_form_that_aws_has_for_them(said, expected):
    assert list(described(said, []).conditions) == expected


@pytest.mark.parametrize(
    "said",
    [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example", "b.example"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x", "Values": ["1", "2"]}},
    ],
)
def test_conditions_that_no_plan_has_are_kept_to_be_put_back_as_they_were(said):
    [found] = described([said], []).conditions

    assert not rules.is_default((found,))
    assert rules.conditions((found,)) == [said]


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


@pytest.mark.parametrize(("said", "expected"), TARGETS, ids=range(len(TARGETS)))
def test_the_one_target_group_is_read_in_every_form_that_aws_has_for_it(said, expected):
    assert described([HOST], said).target == expected


@pytest.mark.parametrize("said", [HOST, QUERY, HEADER])
def test_what_is_read_can_be_made_again(said):
    found = described([said], []).conditions

    assert described(rules.conditions(found), []).conditions == found


OWNERS = [
    ({}, True),
    ({"plt.dev/managed-by": "me"}, False),
    ({"plt.dev/application": "shop"}, False),
    ({"plt.dev/cluster": "other"}, False),
]


@pytest.mark.parametrize(("tags", "expected"), OWNERS)
def test_rules_are_an_applications_by_their_tags(tags, expected):
    assert rules.is_owned(rules.marks("orders", "shop") | tags, "orders", "shop") is expected


def test_rules_of_a_writer_that_knows_no_clusters_are_of_each():
    tags = {"plt.dev/managed-by": "icc", "plt.dev/application": "orders"}

    assert rules.is_owned(tags, "orders", "shop")


@pytest.mark.parametrize(
    "odd",
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
async def test_a_rule_that_cannot_be_read_is_a_failure_of_the_platform(odd):
    good = {"RuleArn": "rule/1", "Priority": "2", "Conditions": [], "Actions": []}

    class BoundClient:
        async def ask(self, action, expected, **parameters):
            described = {"ResourceArn": "rule/1", "Tags": []}
            return msgspec.convert({"TagDescriptions": [described]}, expected)

        async def pages(self, action, expected, **parameters):
            yield msgspec.convert({"Rules": [good | odd]}, expected)

    listener = Listener(BoundClient(), "arn", "orders", "shop", Owners())  # type: ignore[arg-type]  # it has the methods

    with pytest.raises(Failure, match="cannot be read") as raised:
        await listener.read()

    assert raised.value.code is Code.PLATFORM_FAILED
