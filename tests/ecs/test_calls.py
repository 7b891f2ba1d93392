"""The number of requests per operation, and a large cluster within AWS's rate limits."""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from contracts import api
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.aws.scripted import Request, Response, Scripted, answer
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

LOOK_UP = "tag:GetResources"
MANY = 1000


async def asked(
    aws: AwsSandbox, provider: EcsProvider, call: Callable[[], Call], **labels: str
) -> Counter[str]:
    aws.calls.clear()
    await provider.get_machines(api.GetMachines("shop", labels), call())
    return Counter(aws.calls.actions())


async def test_one_machine_takes_two_calls_and_one_without_a_controller_one(aws, provider, call):
    aws.add_service("web", "shop", desired=1)
    alone = aws.add_task("shop")
    [task] = aws.tasks("shop", "web")

    await provider.get_machine(api.GetMachine("shop", task["taskArn"]), call())
    assert aws.calls.actions() == ["ecs:DescribeTasks", "ecs:DescribeServices"]
    aws.calls.clear()
    await provider.get_machine(api.GetMachine("shop", alone), call())
    assert aws.calls.actions() == ["ecs:DescribeTasks"]


async def test_one_controller_takes_three_calls(aws, provider, call):
    aws.add_service("web", "shop", desired=3)

    await provider.get_controller(api.GetController("shop", "web"), call())

    assert aws.calls.actions() == ["ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks"]


async def test_scaling_takes_one_call(aws, provider, call):
    aws.add_service("web", "shop", desired=3)

    await provider.update_controller_replicas(
        api.UpdateControllerReplicas("shop", "web", 5), call()
    )

    assert aws.calls.actions() == ["ecs:UpdateService"]


async def test_the_controller_of_a_machine_takes_two_calls(aws, provider, call):
    aws.add_service("web", "shop", desired=1)
    [task] = aws.tasks("shop")

    await provider.get_controllers(api.GetControllers("shop", task["taskArn"]), call())

    assert aws.calls.actions() == ["ecs:DescribeTasks", "ecs:DescribeServices"]


async def test_machines_by_a_task_label_take_one_look_up_for_tasks_and_one_for_services(
    aws, provider, call
):
    aws.add_service("web", "shop", desired=3, task_tags={"app": "shop"})

    assert await asked(aws, provider, call, app="shop") == {
        LOOK_UP: 2,
        "ecs:DescribeTasks": 1,
        "ecs:DescribeServices": 1,
    }


async def test_machines_by_a_service_label_also_take_a_list_of_its_tasks(aws, provider, call):
    aws.add_service("web", "shop", desired=3, tags={"app": "shop"}, propagate_tags=False)

    assert await asked(aws, provider, call, app="shop") == {
        LOOK_UP: 2,
        "ecs:ListTasks": 1,
        "ecs:DescribeTasks": 1,
        "ecs:DescribeServices": 1,
    }


async def test_several_labels_take_one_look_up_per_possible_service_label(aws, provider, call):
    both = {"app": "shop", "version": "1"}
    aws.add_service("web", "shop", desired=3, tags=both)
    aws.add_service("old", "shop", desired=3, tags={"app": "shop", "version": "0"})

    found = await asked(aws, provider, call, **both)

    # Tasks by both labels, services by either, and tasks of version 1 for the service "old".
    assert found[LOOK_UP] == 1 + 2 + 1
    assert found["ecs:DescribeTasks"] == 1


async def test_machines_take_a_request_per_hundred_tasks_and_per_ten_services(aws, provider, call):
    for number in range(12):
        aws.add_service(f"web-{number}", "shop", desired=20, task_tags={"team": "a"})

    assert await asked(aws, provider, call, team="a") == {
        LOOK_UP: 4,  # 240 tasks in pages of 100, no service
        "ecs:DescribeTasks": 3,
        "ecs:DescribeServices": 2,
    }
    assert await asked(aws, provider, call) == {
        "ecs:ListTasks": 3,
        "ecs:DescribeTasks": 3,
        "ecs:DescribeServices": 2,
    }


async def test_no_batch_exceeds_the_limits_of_aws(aws, provider, call):
    for number in range(12):
        aws.add_service(f"web-{number}", "shop", desired=20)

    await provider.get_machines(api.GetMachines("shop"), call())
    await provider.get_controllers(api.GetControllers("shop"), call())

    described = aws.calls.matching("ecs:DescribeTasks")
    assert max(len(each.parameters["tasks"]) for each in described) == 100
    described = aws.calls.matching("ecs:DescribeServices")
    assert max(len(each.parameters["services"]) for each in described) == 10


@pytest.fixture
def large(aws: AwsSandbox) -> AwsSandbox:
    """A cluster of a thousand tasks."""
    aws.add_service("web", "shop", desired=MANY, tags={"app": "shop"}, propagate_tags=False)
    aws.calls.clear()
    return aws


async def test_a_thousand_machines_are_listed_within_the_rate_limits(large, provider, call):
    machines = await provider.get_machines(api.GetMachines("shop"), call())

    assert len({machine.id for machine in machines}) == MANY
    assert {machine.labels["app"] for machine in machines} == {"shop"}
    assert Counter(large.calls.actions()) == {
        "ecs:ListTasks": 10,
        "ecs:DescribeTasks": 10,
        "ecs:DescribeServices": 1,
    }
    assert len(await provider.get_machines(api.GetMachines("shop", {"app": "shop"}), call())) == (
        MANY
    )


async def test_repeated_lists_of_a_large_cluster_do_not_increase_memory():
    tasks = [large_task(number) for number in range(100)]
    batch, arns = answer({"tasks": tasks}), [task["taskArn"] for task in tasks]

    def respond(request: Request) -> Response:
        match request.action:
            case "ListTasks":
                page = int(request.parameters.get("nextToken", "0")) + 1
                return answer({"taskArns": arns, "nextToken": str(page) if page < 10 else ""})
            case "DescribeTasks":
                return batch
            case _:
                return answer({"services": []})

    aws = Scripted(respond)
    async with aws.client() as client:
        provider = EcsProvider(client)

        async def list_all() -> int:
            machines = await provider.get_machines(api.GetMachines("shop"), ample())
            aws.requests.clear()
            assert len(machines) == MANY
            return tracemalloc.get_traced_memory()[0]

        # Fills the caches, untraced: tracing takes CPU time.
        await list_all()
        tracemalloc.start()
        try:
            kept = [await list_all() for _ in range(3)]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert kept[-1] - kept[0] < 100_000
    assert peak < 20_000_000


def large_task(number: int) -> dict[str, Any]:
    """A task of the size that DescribeTasks returns for Fargate."""
    id = f"{number:032x}"
    return {
        "taskArn": f"arn:aws:ecs:eu-central-1:123456789012:task/shop/{id}",
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "group": "service:web",
        "containers": [
            {
                "name": f"container-{each}",
                "image": "registry.example/web:1",
                "networkInterfaces": [{"attachmentId": id, "privateIpv4Address": "10.0.0.1"}],
            }
            for each in range(3)
        ],
        "attachments": [{"id": id, "details": [{"name": "subnetId", "value": id}] * 5}],
        "tags": [{"key": f"key-{each}", "value": "x" * 40} for each in range(10)],
    }
