"""The state before and after in the outcomes of commands on ECS."""

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


async def test_the_outcome_of_a_workload_has_its_images_and_labels(provider, call):
    created, updated, same = call(), call(), call()
    await apply(provider, created, image=IMAGES[0])
    await apply(provider, updated, image=IMAGES[1])
    await apply(provider, same, image=IMAGES[1])

    assert created.before == {"exists": False}
    assert created.after["ports"] == ["3042/TCP", "9090/TCP"]
    assert created.after["images"] == updated.before["images"] == IMAGES[:1]
    assert updated.after["images"] == same.before["images"] == same.after["images"] == IMAGES[1:]
    assert (created.after["running"], updated.before["running"]) == (0, 2)
    for state in (created.after, updated.before, updated.after):
        assert state["replicas"] == 2
        assert state["labels"]["app.kubernetes.io/instance"] == NAME


async def test_the_former_images_cost_no_request(aws, provider):
    await apply(provider, image=IMAGES[0])
    aws.calls.clear()

    await apply(provider, image=IMAGES[0])

    assert aws.calls.actions() == [
        "ecs:DescribeServices",
        "secretsmanager:DescribeSecret",
        "ecs:DescribeTaskDefinition",
    ]


async def test_the_outcome_of_a_deletion_has_the_former_state(provider, call):
    await apply(provider)
    run = call()

    await delete(provider, run)

    assert (run.before["replicas"], run.before["running"]) == (2, 2)
    assert run.before["taskDefinition"] == f"{NAME}:1"
    assert run.after == {"exists": False}


async def test_the_outcome_of_a_label_change_has_the_named_labels(aws, provider, call):
    arn = aws.add_task(CLUSTER, tags={"a": "1", "b": "2", "c": "3"})
    run = call()
    changes = {"a": "9", "b": None, "new": ""}

    await provider.set_machine_labels(api.SetMachineLabels(CLUSTER, arn, changes), run)

    assert run.before == {"labels": {"a": "1", "b": "2", "new": None}}
    assert run.after == {"labels": changes}


async def test_the_outcome_of_a_partial_label_change_has_the_changed_labels(aws, provider, call):
    arn = aws.add_task(CLUSTER, tags={"a": "1", "b": "2"})
    aws.faults.add("ecs:TagResource", code="AccessDeniedException", times=None)
    run = call()

    with pytest.raises(Fault):
        await provider.set_machine_labels(
            api.SetMachineLabels(CLUSTER, arn, {"a": "9", "b": None}), run
        )

    assert run.before == {"labels": {"a": "1", "b": "2"}}
    assert run.after == {"labels": {"a": "1", "b": None}}


async def test_an_outcome_contains_no_secret_and_no_environment_variable(provider, call):
    runs = [call(), call(), call()]
    secret = {"registry": "reg.example.com", "username": "ci", "password": CANARY}
    for number, run in enumerate(runs[:2]):
        env = [{"name": "TOKEN", "value": CANARY}, {"name": "ROUND", "value": str(number)}]
        await apply(provider, run, env=env, pullSecret=secret)
    await delete(provider, runs[2])

    assert CANARY not in str([(run.before, run.after) for run in runs])
    assert all(run.before and run.after for run in runs)


def test_a_rule_is_described_in_the_outcome():
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


def test_a_placeholder_rule_is_not_in_the_outcome():
    placeholder = RuleSpec((), "", {PURPOSE: PLACEHOLDER})

    assert observations.routes([placeholder])["rules"] == []


def test_invalid_tags_and_images_are_left_out_of_the_outcome():
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
