"""The roll-out of a workload on ECS, and its undo if AWS fails."""

import asyncio

import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.calls import AMPLE_S, Ending, ample, pass_time
from tests.ecs.aws import scripted
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, worker
from tests.ecs.workloads.inventory import NOTHING, inventory, revisions, rules
from tests.stack import BOUND_S, eventually
from tests.workloads import CANARY
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

READS = (":Describe", ":List", ":Get")


async def scale(provider: EcsProvider, replicas: int) -> None:
    operation = api.UpdateControllerReplicas(CLUSTER, NAME, replicas)
    await provider.update_controller_replicas(operation, ample())


async def test_a_workload_becomes_a_service_with_its_resources(whole):
    call = ample()
    async with worker(whole) as provider:
        answer = await apply(provider, call)

    service = whole.service(NAME, CLUSTER)
    [group] = whole.account.balancing.target_groups.values()
    assert answer == {
        "name": NAME,
        "taskDefinitionArn": service["taskDefinition"],
        "created": True,
        "targetGroupArn": group.arn,
        "endpoint": {"hostname": f"{NAME}.apps.internal", "port": 3042},
    }
    assert call.before == {"exists": False}
    assert (call.after["replicas"], call.after["taskDefinition"]) == (2, f"{NAME}:1")
    assert (service["desiredCount"], service["runningCount"]) == (2, 2)
    assert service["loadBalancers"] == [
        {"targetGroupArn": group.arn, "containerName": NAME, "containerPort": 3042}
    ]
    assert len(service["serviceRegistries"]) == 1
    assert service["healthCheckGracePeriodSeconds"] == 60
    breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert breaker == {"enable": True, "rollback": True}
    assert {tag["key"]: tag["value"] for tag in service["tags"]}["plt.dev/version"] == "v7"
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {
        "subnets": whole.subnets,
        "securityGroups": [whole.security_group],
        "assignPublicIp": "DISABLED",
    }


async def test_the_target_group_has_the_health_check_of_the_workload(balanced):
    async with worker(balanced) as provider:
        await apply(provider)
        [group] = balanced.account.balancing.target_groups.values()
        first = (group.health_check_path, group.health_check_port)
        await apply(provider, healthCheck={"readyPath": "/healthy", "port": "app"})

    assert group.name == "orders-api-v7-1d1284"
    assert (group.protocol, group.target_type) == ("HTTP", "ip")
    assert first == ("/ready", "9090")
    assert (group.health_check_path, group.health_check_port) == ("/healthy", "traffic-port")


async def test_a_new_target_group_gets_a_placeholder_rule(balanced):
    async with worker(balanced) as provider:
        await apply(provider)

    [rule] = rules(balanced)
    [condition] = rule.conditions
    assert condition["HttpHeaderConfig"]["HttpHeaderName"] == "x-platformatic-bootstrap"
    [value] = condition["HttpHeaderConfig"]["Values"]
    assert len(value) == 16
    [made] = balanced.calls.matching("elasticloadbalancing:CreateRule")
    assert {tag["Key"]: tag["Value"] for tag in made.parameters["Tags"]} == {
        "plt.dev/managed-by": "icc",
        "plt.dev/cluster": CLUSTER,
        "plt.dev/application": "orders-api",
        "plt.dev/version": "v7",
        "plt.dev/purpose": "bootstrap",
    }


CALLS = [
    "ecs:DescribeServices",
    "secretsmanager:DescribeSecret",
    "secretsmanager:CreateSecret",
    "ecs:DescribeTaskDefinition",
    "ecs:RegisterTaskDefinition",
    "servicediscovery:ListServices",
    "servicediscovery:CreateService",
    "servicediscovery:GetService",
    "servicediscovery:GetNamespace",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:CreateTargetGroup",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:CreateRule",
    "ecs:CreateService",
]
CACHED = {
    "servicediscovery:GetNamespace",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancers",
}


async def test_the_requests_of_a_creation_and_those_that_are_cached(whole):
    async with worker(whole) as provider:
        await apply(provider)
        first = whole.calls.actions()
        whole.calls.clear()
        await apply(provider, name="orders-api-v8", labels={})

    assert first == CALLS
    assert whole.calls.actions() == [action for action in CALLS if action not in CACHED]


async def test_a_creation_without_listener_namespace_and_secret_takes_four_requests(aws, provider):
    await apply(provider, pullSecret=None)

    assert aws.calls.actions() == [
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:CreateService",
    ]


async def test_applying_the_same_workload_again_changes_nothing(whole):
    async with worker(whole) as provider:
        first = await apply(provider)
        deployment = whole.service(NAME, CLUSTER)["deployments"][0]["id"]
        whole.calls.clear()
        again = await apply(provider)

    assert again == first | {"created": False}
    assert whole.calls.writes() == []
    assert len(whole.calls) == 4
    assert whole.service(NAME, CLUSTER)["deployments"][0]["id"] == deployment


@pytest.mark.parametrize(("running", "minimum"), [(0, None), (0, 2), (1, 7), (5, 1), (5, None)])
async def test_the_present_size_is_kept_despite_minreplicas(aws, provider, running, minimum):
    await apply(provider)
    await scale(provider, running)
    call = ample()

    answer = await apply(provider, call, image="reg.example.com/x:8", minReplicas=minimum)

    service = aws.service(NAME, CLUSTER)
    assert answer["created"] is False
    assert service["desiredCount"] == running
    assert service["taskDefinition"] == answer["taskDefinitionArn"]
    assert (call.before["replicas"], call.before["taskDefinition"]) == (running, f"{NAME}:1")
    assert (call.after["replicas"], call.after["taskDefinition"]) == (running, f"{NAME}:2")
    assert "desiredCount" not in aws.calls.matching("ecs:UpdateService")[-1].parameters


async def test_machines_that_an_update_starts_have_the_new_labels(aws, provider):
    await apply(provider)
    aws.calls.clear()

    await apply(provider, image="reg.example.com/x:8", labels={"tier": "web"})

    assert [call.action for call in aws.calls.writes()] == [
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UpdateService",
    ]
    for task in aws.tasks(CLUSTER, NAME):
        if task["desiredStatus"] == "RUNNING":
            assert {"key": "tier", "value": "web"} in task["tags"]


async def test_a_repeat_adds_a_target_group_to_a_service_made_before_the_listener(aws):
    async with worker(aws) as provider:
        assert "targetGroupArn" not in await apply(provider)
    aws.add_listener()
    aws.add_cloud_map_namespace("apps.internal")

    async with worker(aws) as provider:
        answer = await apply(provider)

    service = aws.service(NAME, CLUSTER)
    [balancer] = service["loadBalancers"]
    assert balancer["targetGroupArn"] == answer["targetGroupArn"]
    assert service["healthCheckGracePeriodSeconds"] == 60
    assert len(service["serviceRegistries"]) == 1
    assert answer["endpoint"]["hostname"] == f"{NAME}.apps.internal"
    assert revisions(aws) == [f"{NAME}:1"]


async def test_a_changed_port_changes_the_load_balancer(balanced):
    async with worker(balanced) as provider:
        await apply(provider)
        await apply(provider, ports={"app": 8080, "metrics": 9090})

    [balancer] = balanced.service(NAME, CLUSTER)["loadBalancers"]
    assert balancer["containerPort"] == 8080


async def test_a_foreign_target_group_is_kept(aws):
    aws.add_listener()
    group = aws.add_target_group("theirs")
    aws.add_rule(group, host="shop.example")
    aws.add_service(NAME, CLUSTER, target_group_arn=group)

    async with worker(aws) as provider:
        answer = await apply(provider)

    assert answer["targetGroupArn"] == group
    assert [each.name for each in aws.account.balancing.target_groups.values()] == ["theirs"]


async def test_old_revisions_are_deregistered_except_the_newest(aws):
    async with worker(aws, PLT_ECS_KEEP_REVISIONS="2") as provider:
        for number in range(5):
            await apply(provider, image=f"reg.example.com/x:{number}")

    assert revisions(aws) == [f"{NAME}:3", f"{NAME}:4", f"{NAME}:5"]


async def test_the_replaced_revision_stays(aws):
    async with worker(aws, PLT_ECS_KEEP_REVISIONS="0") as provider:
        for number in range(4):
            await apply(provider, image=f"reg.example.com/x:{number}")

    assert revisions(aws) == [f"{NAME}:3", f"{NAME}:4"]


async def test_a_failure_to_deregister_old_revisions_is_only_reported(aws):
    aws.faults.deny("ecs:DeregisterTaskDefinition")
    call = ample()
    async with worker(aws, PLT_ECS_KEEP_REVISIONS="0") as provider:
        for number in range(3):
            answer = await apply(provider, call, image=f"reg.example.com/x:{number}")

    assert answer["taskDefinitionArn"].endswith(f"{NAME}:3")
    [left] = call.after["left"]
    assert left.startswith("old task definitions: the worker's AWS identity lacks")


async def test_a_revision_of_an_earlier_attempt_is_used(aws, provider):
    aws.faults.add("ecs:CreateService", disconnect="before", times=None)
    with pytest.raises(Fault):
        await apply(provider)
    aws.faults.clear()

    await apply(provider)

    assert revisions(aws) == [f"{NAME}:1"]


async def test_concurrent_runs_of_one_workload_make_each_resource_once(whole):
    async with worker(whole) as one, worker(whole) as other:
        answers = await asyncio.gather(*(apply(each) for each in (one, other, one, other)))

    assert sum(answer["created"] for answer in answers) == 1
    assert len({answer["taskDefinitionArn"] for answer in answers}) == 1
    found = inventory(whole)
    assert found.pop("rules") in {1, 2}
    assert found == {
        "services": [NAME],
        "task definitions": [answers[0]["taskDefinitionArn"].rpartition("/")[2]],
        "secrets": [f"{NAME}-pull"],
        "names": [NAME],
        "target groups": ["orders-api-v7-1d1284"],
    }


async def test_a_draining_service_is_awaited(aws, provider):
    aws.pace.stopped_after = 0.7
    aws.add_service(NAME, CLUSTER)
    await provider.delete_controller(api.DeleteController(CLUSTER, NAME), ample())

    answer = await apply(provider)

    assert answer["created"] is True
    assert aws.service(NAME, CLUSTER)["status"] == "ACTIVE"


async def test_a_service_that_drains_beyond_the_deadline_is_a_retryable_fault(aws, provider):
    aws.pace.stopped_after = None
    aws.add_service(NAME, CLUSTER)
    await provider.delete_controller(api.DeleteController(CLUSTER, NAME), ample())
    aws.calls.clear()

    with pytest.raises(Fault, match="is being deleted") as raised:
        await apply(provider, Call.within(2))

    assert raised.value.code is Code.PLATFORM_FAILED
    assert aws.calls.writes() == []


@pytest.mark.parametrize(
    "message",
    [
        "Unable to Start a service that is still Draining.",
        "Creation of service was not idempotent.",
    ],
)
async def test_a_creation_refused_because_of_a_vanishing_service_is_retried(aws, provider, message):
    aws.faults.add("ecs:CreateService", "InvalidParameterException", message=message)

    assert (await apply(provider))["created"] is True
    assert revisions(aws) == [f"{NAME}:1"]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("TagResource", "InvalidParameterException"),
        ("TagResource", "ResourceNotFoundException"),
        ("UpdateService", "ServiceNotActiveException"),
        ("UpdateService", "ServiceNotFoundException"),
    ],
)
async def test_a_service_deleted_meanwhile_is_created_again(action, code):
    service = {"serviceArn": "a", "serviceName": NAME, "status": "ACTIVE"}
    known = [service]

    def respond(request: scripted.Request) -> scripted.Response:
        match request.action:
            case "DescribeServices":
                return scripted.answer({"services": known})
            case "DescribeTaskDefinition":
                return scripted.failure("ClientException", "Unable to describe task definition.")
            case "RegisterTaskDefinition":
                return scripted.answer({"taskDefinition": {"taskDefinitionArn": f"a/{NAME}:1"}})
            case refused if refused == action:
                known.clear()
                return scripted.failure(code, "The specified service is inactive.")
            case _:
                return scripted.answer({"service": service})

    async with scripted.Scripted(respond).client(ecs_subnets="subnet-1") as client:
        answer = await apply(EcsProvider(client), pullSecret=None)

    assert answer["created"] is True


async def test_a_service_that_cannot_be_tagged_is_not_created_again(aws, provider):
    await apply(provider)
    aws.faults.add("ecs:TagResource", "InvalidParameterException", message="too many tags")

    with pytest.raises(Fault, match="too many tags") as raised:
        await apply(provider, labels={"tier": "web"})

    assert raised.value.code is Code.INVALID
    assert aws.calls.count("ecs:CreateService") == 1


TRANSIENT = [
    ("ecs:RegisterTaskDefinition", "ClientException", "Too many concurrent attempts to create a "
     "new revision of the specified family."),
    ("ecs:CreateService", "InvalidParameterException", "The target group with targetGroupArn x "
     "does not have an associated load balancer."),
]  # fmt: skip


@pytest.mark.parametrize(("action", "code", "message"), TRANSIENT)
async def test_a_transient_refusal_is_retried(whole, action, code, message):
    whole.faults.add(action, code, message=message, times=2)

    async with worker(whole) as provider:
        await apply(provider)

    assert inventory(whole)["task definitions"] == [f"{NAME}:1"]
    assert whole.calls.count("elasticloadbalancing:DeleteRule") == 0


@pytest.mark.parametrize(("action", "code", "message"), TRANSIENT)
async def test_a_lasting_transient_state_is_a_retryable_fault(whole, action, code, message):
    whole.faults.add(action, code, message=message, times=None)

    async with worker(whole) as provider:
        with pytest.raises(Fault, match=message) as raised:
            await apply(provider)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert inventory(whole) == NOTHING


async def test_a_deleted_service_can_be_created_again(aws, provider):
    await apply(provider)
    await provider.delete_controller(api.DeleteController(CLUSTER, NAME), ample())

    answer = await apply(provider)

    assert answer["created"] is True
    assert aws.service(NAME, CLUSTER)["status"] == "ACTIVE"


STEPS = [action for action in CALLS if not any(read in action for read in READS)]


@pytest.mark.parametrize("action", STEPS[1:])
async def test_a_refused_creation_leaves_nothing(whole, action):
    whole.faults.deny(action)
    async with worker(whole) as provider:
        with pytest.raises(Fault) as raised:
            await apply(provider)

        assert raised.value.code is Code.PLATFORM_FORBIDDEN
        assert f"lacks {action}" in raised.value.message
        assert "Left behind" not in raised.value.message
        assert CANARY not in raised.value.message
        assert inventory(whole) == NOTHING

        whole.faults.clear()
        await apply(provider)
    assert whole.service(NAME, CLUSTER)["runningCount"] == 2


async def test_a_refused_update_leaves_existing_resources(whole):
    async with worker(whole) as provider:
        await apply(provider)
        before = inventory(whole)
        whole.faults.deny("ecs:UpdateService")
        with pytest.raises(Fault):
            await apply(provider, image="reg.example.com/x:8")

    assert inventory(whole) == before


async def test_resources_that_cannot_be_deleted_are_reported_and_a_repeat_uses_them(whole):
    whole.faults.deny("ecs:CreateService")
    whole.faults.deny("elasticloadbalancing:DeleteRule")
    async with worker(whole) as provider:
        with pytest.raises(Fault, match="Left behind, where a repeat finds it") as raised:
            await apply(provider)

        assert raised.value.code is Code.PLATFORM_FORBIDDEN
        for words in ("the rule", "elasticloadbalancing:DeleteRule", "the target group"):
            assert words in raised.value.message
        assert inventory(whole) == NOTHING | {"target groups": ["orders-api-v7-1d1284"], "rules": 1}

        whole.faults.clear()
        await apply(provider)
    assert inventory(whole)["rules"] == 1


async def test_a_creation_that_may_have_happened_is_not_undone(whole):
    whole.faults.add("ecs:CreateService", "ServerException", status=500, times=None)
    async with worker(whole) as provider:
        with pytest.raises(Fault, match="may have been created") as raised:
            await apply(provider)

        assert raised.value.code is Code.PLATFORM_FAILED
        whole.faults.clear()
        whole.calls.clear()
        await apply(provider)
    assert [call.action for call in whole.calls.writes()] == ["ecs:CreateService"]


async def test_throttling_before_the_first_change_means_that_nothing_was_attempted(aws, provider):
    aws.faults.throttle("ecs:RegisterTaskDefinition", times=None)

    with pytest.raises(Fault) as raised:
        await apply(provider, pullSecret=None)

    assert raised.value.code is Code.PLATFORM_LIMITING
    assert raised.value.retry_after is not None


async def test_throttling_after_the_first_change_does_not_claim_that_nothing_was_done(
    aws, provider
):
    aws.faults.throttle("ecs:CreateService", times=None)

    with pytest.raises(Fault, match="may have had an effect") as raised:
        await apply(provider)

    assert raised.value.code is Code.PLATFORM_FAILED
    assert inventory(aws) == NOTHING


async def test_a_deadline_leaves_resources_for_the_repeat(aws, provider):
    held = aws.faults.add("ecs:CreateService", delay=2 * BOUND_S)
    applying = asyncio.create_task(apply(provider, Ending(lambda: held.hits)))
    await asyncio.to_thread(eventually, lambda: held.hits)
    pass_time(AMPLE_S)

    with pytest.raises(Fault, match="Left behind") as raised:
        await applying

    assert raised.value.code is Code.DEADLINE_EXCEEDED


async def test_an_unknown_cluster_is_not_found_and_nothing_is_made(aws, provider):
    with pytest.raises(Fault) as raised:
        await apply(provider, cluster="absent")

    assert raised.value.code is Code.NOT_FOUND
    assert aws.calls.writes() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": None},
        {"resources": {"limits": {"cpu": "17"}}},
        {"name": "a/b"},
        {"name": f"arn:aws:ecs:eu-central-1:123456789012:service/other/{NAME}"},
    ],
)
async def test_an_invalid_workload_is_refused_before_any_request(aws, provider, wrong):
    with pytest.raises(Fault) as raised:
        await apply(provider, **wrong)

    assert raised.value.code is Code.INVALID
    assert len(aws.calls) == 0


async def test_the_same_name_in_another_cluster_is_a_conflict(whole):
    whole.add_cluster("other")
    async with worker(whole) as provider:
        await apply(provider)
        with pytest.raises(Fault, match='cluster "shop"') as raised:
            await apply(provider, cluster="other")

        assert raised.value.code is Code.CONFLICT
    assert whole.services("other") == []
    assert inventory(whole)["services"] == [NAME]


async def test_each_spelling_of_a_name_is_one_service(aws, provider):
    first = await apply(provider, name="my-app-v1.2.3", labels={})
    again = await apply(provider, name="my-app-v1-2-3-4f878d", labels={})

    assert first["name"] == again["name"] == "my-app-v1-2-3-4f878d"
    assert again["created"] is False


async def test_a_workload_is_applied_to_a_cluster_by_its_arn(aws, provider):
    await apply(provider)

    again = await apply(provider, cluster=aws.account.arn("ecs", f"cluster/{CLUSTER}"))

    assert again["created"] is False
