"""Controllers: read, listed, scaled and deleted."""

from collections.abc import Callable

import msgspec
import pytest

from contracts import api
from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider


async def listed(
    provider: EcsProvider, call: Callable[[], Call], machine: str | None = None
) -> dict[str, int]:
    found = await provider.get_controllers(api.GetControllers("shop", machine), call())
    return {each.name: each.replicas for each in found.controllers}


async def test_a_controller_is_returned_with_its_machines(aws, provider, call):
    aws.add_service("web", "shop", desired=2, tags={"app": "shop"}, propagate_tags=False)
    aws.add_service("other", "shop", desired=1)

    found = await provider.get_controller(api.GetController("shop", "web"), call())

    controller = found.controller
    assert (controller.name, controller.replicas) == ("web", 2)
    assert controller.labels == {"app": "shop"}
    assert controller.provider_metadata == {}
    assert {machine.controller.name for machine in controller.machines} == {"web"}
    assert [machine.labels["app"] for machine in controller.machines] == ["shop", "shop"]


async def test_kind_and_api_version_are_ignored(aws, provider, call):
    aws.add_service("web", "shop", desired=1)

    found = await provider.get_controller(
        api.GetController("shop", "web", "Deployment", "apps/v1"), call()
    )
    scaled = await provider.update_controller_replicas(
        api.UpdateControllerReplicas("shop", "web", 0, "Deployment", "apps/v1"), call()
    )

    assert found.controller.replicas == 1
    assert scaled.replicas == 0


async def test_controllers_of_a_cluster_are_listed_over_pages_and_batches(aws, provider, call):
    for number in range(23):
        aws.add_service(f"web-{number}", "shop", desired=0, tags={"n": str(number)})
    aws.add_service("other", "elsewhere", desired=0)

    found = await provider.get_controllers(api.GetControllers("shop"), call())

    assert {each.name: each.labels["n"] for each in found.controllers} == {
        f"web-{number}": str(number) for number in range(23)
    }
    assert all(each.machines is msgspec.UNSET for each in found.controllers)
    assert aws.calls.count("ecs:DescribeServices") == 3


async def test_a_deleted_controller_is_in_no_answer(aws, provider, call):
    aws.add_service("web", "shop", desired=1, tags={"app": "shop"})
    aws.add_service("other", "shop", desired=1, tags={"app": "shop"})
    [task] = aws.tasks("shop", "web")
    aws.pace.stopped_after = None

    await provider.delete_controller(api.DeleteController("shop", "web"), call())

    assert aws.service("web", "shop")["status"] == "DRAINING"
    assert await listed(provider, call) == {"other": 1}
    assert await listed(provider, call, task["taskArn"]) == {}
    with pytest.raises(Fault, match='no controller "web" in the cluster "shop"') as raised:
        await provider.get_controller(api.GetController("shop", "web"), call())
    assert raised.value.code is Code.NOT_FOUND
    endpoints = await provider.get_services_by_labels(
        api.GetServicesByLabels("shop", {"app": "shop"}), call()
    )
    assert [each.name for each in endpoints] == ["other"]


async def test_the_outcome_of_a_scaling_has_the_running_and_the_desired_number(aws, provider, call):
    aws.add_service("web", "shop", desired=2)
    run = call()

    scaled = await provider.update_controller_replicas(
        api.UpdateControllerReplicas("shop", "web", 5), run
    )

    assert (scaled.name, scaled.replicas) == ("web", 5)
    assert (run.before, run.after) == ({"running": 2}, {"replicas": 5, "running": 2})
    assert aws.service("web", "shop")["desiredCount"] == 5


@pytest.mark.parametrize("deleted", [True, False])
async def test_scaling_an_absent_controller_is_not_found(aws, provider, call, deleted):
    aws.add_cluster("shop")
    if deleted:
        aws.add_service("web", "shop", desired=0)
        await provider.delete_controller(api.DeleteController("shop", "web"), call())

    with pytest.raises(Fault, match='no controller "web" in the cluster "shop"') as raised:
        await provider.update_controller_replicas(
            api.UpdateControllerReplicas("shop", "web", 1), call()
        )

    assert raised.value.code is Code.NOT_FOUND


async def test_a_deletion_stops_the_machines_and_its_answer_is_json(aws, provider, call):
    aws.add_service("web", "shop", desired=2)

    answer = await provider.delete_controller(api.DeleteController("shop", "web"), call())

    assert msgspec.json.decode(msgspec.json.encode(answer)) == {"name": "web", "deleted": True}
    assert {task["lastStatus"] for task in aws.tasks("shop")} == {"STOPPED"}


async def test_a_deletion_whose_answer_was_lost_succeeds(aws, provider, call):
    aws.add_service("web", "shop", desired=1)
    aws.faults.add("ecs:DeleteService", disconnect="after")

    await provider.delete_controller(api.DeleteController("shop", "web"), call())

    assert aws.service("web", "shop")["status"] == "INACTIVE"


async def test_delete_service_makes_no_requests(aws, provider, call):
    aws.add_service("web", "shop", desired=1)

    for name in ("web", "absent"):
        answer = await provider.delete_service(api.DeleteService("shop", name), call())
        assert answer == {"name": name, "deleted": False}
    assert len(aws.calls) == 0


@pytest.mark.parametrize("name", ["a/b", "..", "a b"])
async def test_delete_service_with_an_invalid_name_is_invalid(provider, call, name):
    with pytest.raises(Fault) as raised:
        await provider.delete_service(api.DeleteService("shop", name), call())

    assert raised.value.code is Code.INVALID
