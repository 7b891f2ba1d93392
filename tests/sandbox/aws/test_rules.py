"""Listener rules: priorities, limits, both forms of conditions and actions, and tags."""

from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.refusals import refused

HOST = {"Field": "host-header", "HostHeaderConfig": {"Values": ["web.example"]}}


def forward(group: str) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": group}]


def create(aws: AwsSandbox, balancing: Any, priority: int, **more: Any) -> Any:
    group = more.pop("group", None) or aws.add_target_group(f"web-{priority}")
    parameters = {
        "ListenerArn": aws.listener_arn or aws.add_listener(),
        "Priority": priority,
        "Conditions": [HOST],
        "Actions": forward(group),
    }
    return balancing.create_rule(**{**parameters, **more})["Rules"][0]


def test_either_form_of_condition_and_action_is_answered_in_both(
    aws: AwsSandbox, balancing: Any
) -> None:
    group = aws.add_target_group("web")
    listed = {"Field": "host-header", "Values": ["web.example"]}
    one = create(aws, balancing, 1, group=group)
    config = {"TargetGroups": [{"TargetGroupArn": group}]}
    actions = [{"Type": "forward", "ForwardConfig": config}]
    two = create(aws, balancing, 2, Conditions=[listed], Actions=actions)
    shown = balancing.describe_rules(ListenerArn=aws.listener_arn)["Rules"]

    assert [rule["Priority"] for rule in shown] == ["1", "2", "default"]
    assert shown[:2] == [one, two]
    for rule in (one, two):
        [condition], [action] = rule["Conditions"], rule["Actions"]
        assert condition["Values"] == condition["HostHeaderConfig"]["Values"] == ["web.example"]
        assert action["TargetGroupArn"] == group
        assert action["ForwardConfig"]["TargetGroups"] == [{"TargetGroupArn": group, "Weight": 1}]


def test_other_conditions_are_returned_unchanged(aws: AwsSandbox, balancing: Any) -> None:
    values = [{"Key": "dpl", "Value": "v1"}]
    query = {"Field": "query-string", "QueryStringConfig": {"Values": values}}
    header = {"HttpHeaderName": "x-deployment-id", "Values": ["v1"]}
    named = {"Field": "http-header", "HttpHeaderConfig": header}
    rule = create(aws, balancing, 1, Conditions=[HOST, query, named])

    assert rule["Conditions"][1:] == [query, named]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"Priority": 50001}, "ValidationError", "between 1 and 50000"),
        ({"Conditions": []}, "ValidationError", "condition must be specified"),
        (
            {
                "Conditions": [
                    {"Field": "host-header", "HostHeaderConfig": {"Values": list("abcdef")}}
                ]
            },
            "ValidationError",
            "'5' condition values",
        ),
        (
            {"Conditions": [{**HOST, "Values": ["web.example"]}]},
            "ValidationError",
            "cannot provide both",
        ),
        (
            {
                "Actions": [
                    {
                        "Type": "forward",
                        "TargetGroupArn": "arn:one",
                        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "arn:two"}]},
                    }
                ]
            },
            "ValidationError",
            "same target group",
        ),
        ({"ListenerArn": "arn:x"}, "ValidationError", "not a valid listener ARN"),
        (
            {"Tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]},
            "TooManyTags",
            "",
        ),
        ({"Tags": [{"Key": "a{", "Value": ""}]}, "ValidationError", "tag key"),
    ],
)
def test_an_invalid_rule_is_refused(
    aws: AwsSandbox, balancing: Any, change: dict[str, Any], code: str, message: str
) -> None:
    with refused(code, message):
        create(aws, balancing, 1, **change)


def test_the_references_of_a_rule_must_exist(aws: AwsSandbox, balancing: Any) -> None:
    group = aws.add_target_group("web")
    listener = aws.add_listener()
    with refused("TargetGroupNotFound"):
        create(aws, balancing, 1, group=group[:-4] + "0000")
    with refused("ListenerNotFound"):
        create(aws, balancing, 1, ListenerArn=listener[:-4] + "0000")


def test_a_priority_belongs_to_one_rule(aws: AwsSandbox, balancing: Any) -> None:
    create(aws, balancing, 7)
    with refused("PriorityInUse", "Priority '7' is currently in use"):
        create(aws, balancing, 7, group=aws.add_target_group("other"))


def test_a_load_balancer_has_a_hundred_rules_at_most(aws: AwsSandbox, balancing: Any) -> None:
    group = aws.add_target_group("web")
    for number in range(100):
        aws.add_rule(group, host="web.example", priority=number + 1)
    with refused("TooManyRules"):
        create(aws, balancing, 200, group=group)


def test_a_group_has_one_load_balancer_and_a_load_balancer_a_hundred_groups(
    aws: AwsSandbox, balancing: Any
) -> None:
    first, second = aws.add_listener("one"), aws.add_listener("two")
    groups = [aws.add_target_group(f"web-{number}") for number in range(101)]
    for group in groups[:99]:
        aws.add_rule(group, host="web.example", listener_arn=first, conditions=[])
    with refused("TargetGroupAssociationLimit"):
        create(aws, balancing, 1, group=groups[0], ListenerArn=second)
    rule = create(aws, balancing, 1, group=groups[99], ListenerArn=first)["RuleArn"]
    balancing.modify_rule(RuleArn=rule, Actions=forward(groups[0]))
    with refused("TooManyRules"):
        create(aws, balancing, 2, group=groups[100], ListenerArn=first)
    two = [{"TargetGroupArn": group} for group in groups[99:]]
    many = [{"Type": "forward", "ForwardConfig": {"TargetGroups": two}}]
    with refused("TooManyUniqueTargetGroupsPerLoadBalancer"):
        balancing.modify_rule(RuleArn=rule, Actions=many)


def test_rules_are_paged_in_the_order_of_their_priority(aws: AwsSandbox, balancing: Any) -> None:
    group = aws.add_target_group("web")
    for priority in (30, 4, 200, 1000, 5):
        aws.add_rule(group, host="web.example", priority=priority)
    pages = balancing.get_paginator("describe_rules").paginate(
        ListenerArn=aws.listener_arn, PaginationConfig={"PageSize": 2}
    )
    sizes_and_rules = [[rule["Priority"] for rule in page["Rules"]] for page in pages]

    assert sizes_and_rules == [["4", "5"], ["30", "200"], ["1000", "default"]]


def test_rules_can_swap_their_priorities_in_one_call(aws: AwsSandbox, balancing: Any) -> None:
    one, two = create(aws, balancing, 1), create(aws, balancing, 2)
    wanted = {one["RuleArn"]: 2, two["RuleArn"]: 1}
    answer = balancing.set_rule_priorities(
        RulePriorities=[{"RuleArn": arn, "Priority": wanted[arn]} for arn in wanted]
    )

    assert {rule["RuleArn"]: int(rule["Priority"]) for rule in answer["Rules"]} == wanted
    [first, second, _] = balancing.describe_rules(ListenerArn=aws.listener_arn)["Rules"]
    assert [first["RuleArn"], second["RuleArn"]] == [two["RuleArn"], one["RuleArn"]]


def test_a_new_order_with_a_conflict_changes_nothing(aws: AwsSandbox, balancing: Any) -> None:
    one, two, _ = (create(aws, balancing, number) for number in (1, 2, 3))

    def order(*priorities: int) -> None:
        arns = [one["RuleArn"], two["RuleArn"]]
        wanted = zip(arns, priorities, strict=False)
        balancing.set_rule_priorities(
            RulePriorities=[{"RuleArn": arn, "Priority": number} for arn, number in wanted]
        )

    with refused("PriorityInUse"):
        order(9, 3)
    with refused("PriorityInUse"):
        order(2)
    with refused("ValidationError", "multiple times"):
        order(8, 8)
    rules = balancing.describe_rules(ListenerArn=aws.listener_arn)["Rules"]
    assert [rule["Priority"] for rule in rules] == ["1", "2", "3", "default"]


def test_a_rule_is_deleted_once_and_the_default_rule_never(aws: AwsSandbox, balancing: Any) -> None:
    rule = create(aws, balancing, 1)
    default = balancing.describe_rules(ListenerArn=aws.listener_arn)["Rules"][1]["RuleArn"]
    balancing.delete_rule(RuleArn=rule["RuleArn"])

    with refused("RuleNotFound"):
        balancing.delete_rule(RuleArn=rule["RuleArn"])
    with refused("RuleNotFound"):
        balancing.describe_rules(RuleArns=[rule["RuleArn"]])
    with refused("OperationNotPermitted"):
        balancing.delete_rule(RuleArn=default)
    with refused("OperationNotPermitted"):
        balancing.set_rule_priorities(RulePriorities=[{"RuleArn": default, "Priority": 3}])


def test_modify_rule_changes_only_the_given_parts(aws: AwsSandbox, balancing: Any) -> None:
    rule = create(aws, balancing, 1)
    other = aws.add_target_group("other")
    changed = balancing.modify_rule(RuleArn=rule["RuleArn"], Actions=forward(other))["Rules"][0]

    assert changed["Conditions"] == rule["Conditions"]
    assert changed["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"] == other


def test_tags_are_described_for_twenty_resources_that_exist(
    aws: AwsSandbox, balancing: Any
) -> None:
    rule = create(aws, balancing, 1, Tags=[{"Key": "a", "Value": "1"}])["RuleArn"]
    balancing.add_tags(ResourceArns=[rule], Tags=[{"Key": "b", "Value": "2"}])
    group = aws.add_target_group("web", tags={"c": "3"})
    told = balancing.describe_tags(ResourceArns=[group, rule])["TagDescriptions"]

    assert [each["ResourceArn"] for each in told] == [group, rule]
    assert {tag["Key"]: tag["Value"] for tag in told[1]["Tags"]} == {"a": "1", "b": "2"}
    with refused("ValidationError", "more than 20"):
        balancing.describe_tags(ResourceArns=[rule] * 21)
    with refused("RuleNotFound"):
        balancing.describe_tags(ResourceArns=[rule[:-4] + "0000"])
    with refused("TargetGroupNotFound"):
        balancing.describe_tags(ResourceArns=[group[:-4] + "0000"])


def test_a_rule_has_fifty_tags_at_most(aws: AwsSandbox, balancing: Any) -> None:
    rule = create(aws, balancing, 1)["RuleArn"]
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    balancing.add_tags(ResourceArns=[rule], Tags=many)
    with refused("TooManyTags"):
        balancing.add_tags(ResourceArns=[rule], Tags=[{"Key": "one-more", "Value": "v"}])
