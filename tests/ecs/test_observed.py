"""What a command on ECS notes as before and after, and what it never does."""

import pytest

from contracts import api
from contracts.faults import Fault
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, delete, worker
from tests.workloads import CANARY
from worker.providers.ecs import observed
from worker.providers.ecs.aws.answers import Service
from worker.providers.ecs.aws.tags import CamelTag
from worker.providers.ecs.elb.rules import (
    HEADER,
    HOST,
    OTHER,
    PLACEHOLDER,
    PURPOSE,
    QUERY,
    Condition,
    RuleSpec,
)
from worker.providers.ecs.routes import observations

IMAGES = ["r.example/orders:7", "r.example/orders:8"]


@pytest.fixture
def aws(aws):
    aws.add_cluster(CLUSTER)
    return aws


@pytest.fixture
async def provider(aws):
    async with worker(aws) as opened:
        yield opened


async def test_a_workload_tells_both_images_and_the_labels_of_its_service(provider, call):
    created, updated, same = call(), call(), call()
    await apply(provider, created, image=IMAGES[0])
    await apply(provider, updated, image=IMAGES[1])
    await apply(provider, same, image=IMAGES[1])

    assert created.before == {"exists": False}
    assert created.after["ports"] == ["3042/TCP", "9090/TCP"]
    assert created.after["images"] == updated.before["images"] == IMAGES[:1]
    assert updated.after["images"] == same.before["images"] == same.after["images"] == IMAGES[1:]
    assert (created.after["running"], updated.before["running"]) == (0, 2)
    for noted in (created.after, updated.before, updated.after):
        assert noted["replicas"] == 2
        assert noted["labels"]["app.kubernetes.io/instance"] == NAME


async def test_the_images_before_cost_no_call(aws, provider):
    await apply(provider, image=IMAGES[0])
    aws.calls.clear()

    await apply(provider, image=IMAGES[0])

    assert aws.calls.actions() == [
        "ecs:DescribeServices",
        "secretsmanager:DescribeSecret",
        "ecs:DescribeTaskDefinition",
    ]


async def test_a_deleted_service_is_noted_as_it_was(provider, call):
    await apply(provider)
    run = call()

    await delete(provider, run)

    assert (run.before["replicas"], run.before["running"]) == (2, 2)
    assert run.before["taskDefinition"] == f"{NAME}:1"
    assert run.after == {"exists": False}


async def test_labels_of_a_machine_are_those_that_the_command_names(aws, provider, call):
    arn = aws.add_task(CLUSTER, tags={"a": "1", "b": "2", "c": "3"})
    run = call()
    changes = {"a": "9", "b": None, "new": ""}

    await provider.set_machine_labels(api.SetMachineLabels(CLUSTER, arn, changes), run)

    assert run.before == {"labels": {"a": "1", "b": "2", "new": None}}
    assert run.after == {"labels": changes}


async def test_labels_that_are_changed_in_part_are_noted_in_part(aws, provider, call):
    arn = aws.add_task(CLUSTER, tags={"a": "1", "b": "2"})
    aws.faults.add("ecs:TagResource", code="AccessDeniedException", times=None)
    run = call()

    with pytest.raises(Fault):
        await provider.set_machine_labels(
            api.SetMachineLabels(CLUSTER, arn, {"a": "9", "b": None}), run
        )

    assert run.before == {"labels": {"a": "1", "b": "2"}}
    assert run.after == {"labels": {"a": "1", "b": None}}


async def test_no_value_of_a_secret_or_of_the_environment_is_noted(provider, call):
    runs = [call(), call(), call()]
    secret = {"registry": "reg.example.com", "username": "ci", "password": CANARY}
    for number, run in enumerate(runs[:2]):
        env = [{"name": "TOKEN", "value": CANARY}, {"name": "ROUND", "value": str(number)}]
        await apply(provider, run, env=env, pullSecret=secret)
    await delete(provider, runs[2])

    assert CANARY not in str([(run.before, run.after) for run in runs])
    assert all(run.before and run.after for run in runs)


def test_a_rule_is_written_in_words():
    host = Condition(HOST, "orders.example")
    group = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/orders-v6/0123"
    named = {"plt.dev/service": "orders-v7", "plt.dev/version": "v7"}
    rules = [
        RuleSpec((host, Condition(QUERY, r"v\*", "dpl")), group, named),
        RuleSpec((host, Condition(HEADER, "v7", "x-version")), group, named),
        RuleSpec((host, Condition(HEADER, CANARY, "authorization")), group, named),
        RuleSpec((host, Condition(OTHER, '{"a":1}')), group, {}),
        RuleSpec((host,), group, {}),
    ]

    assert observations.routes(rules) == {
        "hostnames": ["orders.example"],
        "rules": [
            "queryParam dpl=v*: orders-v7",
            "header x-version=v7: orders-v7",
            "header authorization: orders-v7",
            "another condition: orders-v6",
            "default: orders-v6",
        ],
        "backends": ["orders-v7", "orders-v6"],
        "versions": ["v7"],
    }


def test_a_rule_that_matches_nothing_is_not_noted():
    waiting = RuleSpec((), "", {PURPOSE: PLACEHOLDER})

    assert observations.routes([waiting])["rules"] == []


def test_tags_and_images_that_break_the_rules_of_aws_are_left_out():
    tags = [
        CamelTag("good", "a b"),
        CamelTag("aws:ecs:clusterName", "shop"),
        CamelTag("bad", "\x1b[31m"),
    ]
    found = Service("arn", "web", "ACTIVE", 2, 1, "a/web:3", tags=tags)

    assert observed.service(found, ["ci:pass@r.example/web", "web:1"]) == {
        "replicas": 2,
        "running": 1,
        "images": ["web:1"],
        "labels": {"good": "a b"},
        "taskDefinition": "web:3",
    }
