"""The second application of a workload brings its service to the described state."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Machine
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.routes import listeners
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, worker
from tests.ecs.workloads.inventory import inventory, rules
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

MAX = "icc.platformatic.dev/scaler-max"
NEXT = "reg.example.com/x:8"


async def controller(provider: EcsProvider) -> Controller:
    found = await provider.get_controller(api.GetController(CLUSTER, NAME), Call.within(10))
    return found.controller


async def machines(provider: EcsProvider, **labels: str) -> list[Machine]:
    return await provider.get_machines(api.GetMachines(CLUSTER, labels), Call.within(10))


def tags(aws: AwsSandbox) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in aws.service(NAME, CLUSTER)["tags"]}


async def test_a_corrected_workload_restarts_a_deployment_stopped_by_the_circuit_breaker(
    aws, provider
):
    aws.pace.running_after = None
    await apply(provider)
    aws.trip_circuit_breaker(NAME, CLUSTER)
    assert aws.service(NAME, CLUSTER)["deployments"][0]["rolloutState"] == "FAILED"
    assert await machines(provider) == []
    aws.pace.running_after = 0

    await apply(provider, pullSecret={"registry": "r.example", "username": "ci", "password": "ok"})

    assert len(await machines(provider)) == 2
    assert aws.service(NAME, CLUSTER)["deployments"][0]["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize("more", [{}, {"maxReplicas": 9}, {"labels": {"tier": "b"}}])
async def test_a_stopped_deployment_is_restarted_together_with_other_changes(aws, provider, more):
    await apply(provider)
    aws.trip_circuit_breaker(NAME, CLUSTER)

    await apply(provider, **more)

    assert len(await machines(provider)) == 2
    aws.calls.clear()
    await apply(provider, **more)
    assert aws.calls.writes() == []


async def test_changed_and_removed_labels_reach_the_controller_and_its_machines(aws, provider):
    await apply(provider, labels={"tier": "a", "removed": "yes"})

    await apply(provider, labels={"tier": "b"})

    found = await controller(provider)
    own = found.machines or []
    assert len(own) == 2
    for labels in (found.labels, *(each.labels for each in own)):
        assert labels["tier"] == "b"
        assert "removed" not in labels
    assert len(await machines(provider, tier="b")) == 2
    assert await machines(provider, tier="a") == await machines(provider, removed="yes") == []


async def test_scaling_bounds_change_without_replacing_machines(aws, provider):
    await apply(provider, maxReplicas=6)
    before = {machine.id for machine in await machines(provider)}

    await apply(provider, maxReplicas=9)
    assert [each.labels[MAX] for each in await machines(provider)] == ["9", "9"]
    assert (await controller(provider)).labels[MAX] == "9"

    await apply(provider, maxReplicas=None)
    found = await controller(provider)
    assert MAX not in found.labels
    assert not [each for each in found.machines or [] if MAX in each.labels]
    assert {machine.id for machine in await machines(provider)} == before
    assert await machines(provider, **{MAX: "6"}) == []


async def test_a_foreign_label_of_the_service_stays(aws, provider):
    await apply(provider, labels={"tier": "a"})
    service = aws.account.fleet.services(CLUSTER)[NAME]
    service.facts["tags"].append({"key": "Cost Center", "value": "42"})

    await apply(provider, labels={})

    assert tags(aws)["Cost Center"] == "42"
    assert "tier" not in tags(aws)


async def test_labels_of_a_rolled_back_version_are_removed_by_the_former_workload(aws, provider):
    await apply(provider, labels={"tier": "a"})
    aws.pace.running_after = None
    await apply(provider, image=NEXT, labels={"tier": "b", "canary": "yes"})
    aws.trip_circuit_breaker(NAME, CLUSTER)
    aws.pace.running_after = 0
    assert tags(aws)["canary"] == "yes"

    await apply(provider, labels={"tier": "a"})

    assert tags(aws)["tier"] == "a"
    assert "canary" not in tags(aws)
    assert len(await machines(provider, tier="a")) == 2


@pytest.mark.parametrize("after", range(8))
async def test_labels_reach_the_machines_after_an_interrupted_run(aws, provider, after):
    await apply(provider, pullSecret=None, labels={"tier": "a", "removed": "yes"})
    aws.calls.clear()
    call = Call(Call.within(10).deadline, lambda: len(aws.calls) < after)
    try:
        await apply(provider, call, pullSecret=None, labels={"tier": "b"})
    except Fault as fault:
        assert fault.code is Code.DEADLINE_EXCEEDED  # noqa: PT017  # the last ones do not fail

    await apply(provider, pullSecret=None, labels={"tier": "b"})

    assert len(await machines(provider, tier="b")) == 2
    assert await machines(provider, removed="yes") == []


async def test_a_refused_update_is_undone(aws):
    async with worker(aws) as provider:
        await apply(provider, pullSecret=None, labels={"tier": "a", "removed": "yes"})
    aws.add_listener()
    aws.add_cloud_map_namespace("apps.internal")
    before, before_tags = inventory(aws), tags(aws)
    aws.faults.deny("ecs:UpdateService")

    async with worker(aws) as provider:
        with pytest.raises(Fault) as raised:
            await apply(provider, image=NEXT, labels={"tier": "b", "new": "yes"})

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert "Left behind" not in raised.value.message
    assert inventory(aws) == before
    assert tags(aws) == before_tags


async def test_a_refused_update_restores_the_health_check_and_names_the_replaced_secret(aws):
    aws.add_listener()
    async with worker(aws) as provider:
        await apply(provider)
        [group] = aws.account.balancing.target_groups.values()
        before = (group.health_check_path, group.health_check_port)
        aws.faults.deny("ecs:UpdateService")

        with pytest.raises(Fault) as raised:
            await apply(
                provider,
                image=NEXT,
                healthCheck={"readyPath": "/other"},
                pullSecret={"registry": "r.example", "username": "ci", "password": "new"},
            )

    assert (group.health_check_path, group.health_check_port) == before
    [_, left] = raised.value.message.split("Left behind, where a repeat finds it: ")
    assert left.startswith(f'the secret "{NAME}-pull" with the new credentials: ')


OTHER = {"registry": "r.example", "username": "ci", "password": "new"}


def left_behind(fault: Fault) -> str:
    return fault.message.partition("Left behind, where a repeat finds it: ")[2]


@pytest.mark.parametrize(
    ("action", "words", "changed"),
    [
        ("ecs:RegisterTaskDefinition", "new revisions of the task definition", {"image": NEXT}),
        ("secretsmanager:PutSecretValue", f'the secret "{NAME}-pull"', {"pullSecret": OTHER}),
        (
            "elasticloadbalancing:ModifyTargetGroup",
            "the health check of the target group",
            {"healthCheck": {"readyPath": "/other"}},
        ),
        ("ecs:UntagResource", "the tags of the service", {"labels": {}}),
    ],
)
async def test_a_fault_names_what_an_update_with_lost_answers_may_have_left(
    aws, action, words, changed
):
    aws.add_listener()
    async with worker(aws) as provider:
        await apply(provider, labels={"removed": "yes"})
        lost = aws.faults.add(action, disconnect="after", times=None)
        denied = None
        if action == "ecs:UntagResource":
            denied = aws.faults.deny("ecs:TagResource")  # otherwise the tags are restored

        with pytest.raises(Fault) as raised:
            await apply(provider, **{"labels": {"removed": "yes"}} | changed)

        assert raised.value.code is Code.PLATFORM_FAILED
        assert left_behind(raised.value).startswith(words)
        aws.faults.remove(lost)
        if denied is not None:
            aws.faults.remove(denied)
        await apply(provider, **{"labels": {"removed": "yes"}} | changed)


async def test_a_health_check_and_tags_are_restored_after_lost_answers(aws):
    aws.add_listener()
    async with worker(aws) as provider:
        await apply(provider, labels={"removed": "yes"})
        [group] = aws.account.balancing.target_groups.values()
        before, check = tags(aws), group.health_check_path
        # The number of attempts of one request, so that the undo succeeds.
        aws.faults.add("elasticloadbalancing:ModifyTargetGroup", disconnect="after", times=4)
        with pytest.raises(Fault) as raised:
            await apply(provider, labels={"removed": "yes"}, healthCheck={"readyPath": "/other"})
        assert left_behind(raised.value) == ""
        assert group.health_check_path == check

        aws.faults.add("ecs:UntagResource", disconnect="after", times=4)
        with pytest.raises(Fault) as raised:
            await apply(provider, labels={})
        assert "the tags of the service" not in raised.value.message
    assert tags(aws) == before


@pytest.mark.parametrize("action", ["ecs:UntagResource", "ecs:TagResource"])
async def test_unchanged_tags_are_not_reported_as_left(aws, provider, action):
    await apply(provider, labels={"removed": "yes"})
    before = tags(aws)
    aws.faults.deny("ecs:UntagResource")
    aws.faults.deny("ecs:TagResource")

    with pytest.raises(Fault, match="lacks ecs:") as raised:
        await apply(provider, labels={} if action == "ecs:UntagResource" else {"removed": "no"})

    assert "the tags" not in left_behind(raised.value)
    assert tags(aws) == before


async def test_a_revision_whose_answer_was_lost_before_a_refused_update_is_named(aws, provider):
    await apply(provider)
    aws.faults.add("ecs:RegisterTaskDefinition", disconnect="after")
    aws.faults.deny("ecs:UpdateService")

    with pytest.raises(Fault) as raised:
        await apply(provider, image=NEXT)

    assert left_behind(raised.value).startswith("new revisions of the task definition")
    assert inventory(aws)["task definitions"] == [f"{NAME}:1", f"{NAME}:2"]


async def test_a_refused_update_names_what_it_cannot_undo(aws, provider):
    await apply(provider)
    aws.faults.deny("ecs:UpdateService")
    aws.faults.deny("ecs:DeregisterTaskDefinition")

    with pytest.raises(Fault, match=r"the task definition .*:2.*DeregisterTaskDefinition"):
        await apply(provider, image=NEXT)


async def test_an_update_that_may_have_happened_is_not_undone(aws, provider):
    await apply(provider)
    aws.faults.add("ecs:UpdateService", "ServerException", status=500, times=None)

    with pytest.raises(Fault, match="may have been created or changed") as raised:
        await apply(provider, image=NEXT)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert inventory(aws)["task definitions"] == [f"{NAME}:1", f"{NAME}:2"]


async def test_a_target_group_without_rules_gets_a_placeholder_rule_again(aws):
    aws.add_listener()
    async with worker(aws) as provider:
        await apply(provider)
        listeners.clear(aws.account)
        assert rules(aws) == []

        await apply(provider, image=NEXT)

    assert len(rules(aws)) == 1
