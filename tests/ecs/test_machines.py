"""Machines: by id, by cluster, and by labels of the task or of its service."""

from collections.abc import Callable

import pytest

from contracts import api, wire
from contracts.faults import Code, Fault
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider

ABSENT = "0" * 32


def ids(arns: list[str]) -> set[str]:
    return {arn.rpartition("/")[2] for arn in arns}


async def found(
    provider: EcsProvider, call: Callable[[], Call], scope: str = "shop", **labels: str
) -> set[str]:
    machines = await provider.get_machines(api.GetMachines(scope, labels), call())
    assert all(labels.items() <= machine.labels.items() for machine in machines)
    return {machine.id for machine in machines}


async def test_a_machine_has_the_fields_of_its_task(aws, provider, call):
    aws.add_service("web", "shop", desired=1, tags={"app": "shop"}, image="registry.example/web:1")
    [task] = aws.tasks("shop")

    machine = await provider.get_machine(
        api.GetMachine("shop", task["taskArn"].rpartition("/")[2]), call()
    )

    assert machine.status == "RUNNING"
    assert machine.ready
    assert machine.labels["app"] == "shop"
    assert machine.image == "registry.example/web:1"
    assert machine.image_digest.startswith("sha256:")
    assert machine.controller.name == "web"
    assert machine.resources.limits == machine.resources.requests == {"cpu": "256", "memory": "512"}
    assert machine.start_time.endswith("Z")


async def test_machines_are_found_by_tags_that_aws_sets(aws, provider, call):
    aws.add_service("web", "shop", desired=1, enableECSManagedTags=True)
    aws.add_service("store", "shop", desired=1, enableECSManagedTags=True)
    [machine] = await provider.get_machines(
        api.GetMachines("shop", {"aws:ecs:serviceName": "store"}), call()
    )

    assert machine.controller.name == "store"
    assert machine.labels["aws:ecs:clusterName"] == "shop"


async def test_a_machine_is_found_by_the_arn_of_its_task_too(aws, provider, call):
    arn = aws.add_task("shop")

    machine = await provider.get_machine(api.GetMachine("shop", arn), call())

    assert machine.id == arn.rpartition("/")[2]


ONLY_ON_AWS = [
    ("Cost Center", "42"),
    ("team", "Zürich"),
    ("部署", "東京　支店"),
    ("Владелец", "Анна Б."),
    ("owner:mail", "a+b@example.org"),
    ("/path/", " leading and trailing "),
]


@pytest.mark.parametrize(("key", "value"), ONLY_ON_AWS)
async def test_tags_that_kubernetes_does_not_allow_can_be_searched(aws, provider, call, key, value):
    """The operation is built as in a gateway and in a worker."""
    aws.add_service("web", "shop", desired=1, tags={key: value})
    [task] = aws.tasks("shop")
    aws.add_task("shop", tags={key: "another"})
    asked = {"scope": "shop", "labels": {key: value}}

    machines = wire.build(api.GetMachines, asked)
    [machine] = await provider.get_machines(machines, call())
    [endpoint] = await provider.get_services_by_labels(
        wire.build(api.GetServicesByLabels, asked), call()
    )

    assert machine.id == task["taskArn"].rpartition("/")[2]
    assert machine.labels[key] == endpoint.labels[key] == value


@pytest.mark.parametrize(("key", "value"), ONLY_ON_AWS)
async def test_tags_that_kubernetes_does_not_allow_can_be_set_and_removed(
    aws, provider, call, key, value
):
    arn = aws.add_task("shop")
    asked = {"scope": "shop", "id": arn.rpartition("/")[2]}

    for labels in ({key: value}, {key: None}):
        operation = wire.build(api.SetMachineLabels, asked | {"labels": labels})
        await provider.set_machine_labels(operation, call())
        machine = await provider.get_machine(api.GetMachine("shop", arn), call())
        assert machine.labels.get(key) == labels[key]


@pytest.mark.parametrize("id", [ABSENT, "absent"])
async def test_an_absent_machine_is_not_found(aws, provider, call, id):
    aws.add_cluster("shop")

    with pytest.raises(Fault, match=id) as raised:
        await provider.get_machine(api.GetMachine("shop", id), call())

    assert raised.value.code is Code.NOT_FOUND


async def test_a_machine_of_another_cluster_is_not_found_by_id_and_invalid_by_arn(
    aws, provider, call
):
    aws.add_cluster("shop")
    arn = aws.add_task("other")

    for id, code in ((arn.rpartition("/")[2], Code.NOT_FOUND), (arn, Code.INVALID)):
        with pytest.raises(Fault) as raised:
            await provider.get_machine(api.GetMachine("shop", id), call())
        assert raised.value.code is code


async def test_a_stopped_machine_is_returned_by_id_and_in_no_list(aws, provider, call):
    arn = aws.add_task("shop", tags={"app": "shop"})
    aws.stop_task(arn)

    machine = await provider.get_machine(api.GetMachine("shop", arn), call())

    assert (machine.status, machine.ready) == ("STOPPED", False)
    assert await found(provider, call) == set()
    assert await found(provider, call, app="shop") == set()


async def test_a_machine_that_is_stopping_is_in_no_list(aws, provider, call):
    aws.add_service("web", "shop", desired=2, tags={"app": "shop"})
    aws.pace.stopped_after = None
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas("shop", "web", 0), call()
    )

    assert {task["lastStatus"] for task in aws.tasks("shop")} != {"STOPPED"}
    assert await found(provider, call) == set()
    assert await found(provider, call, app="shop") == set()


async def test_a_machine_that_starts_is_listed_and_not_ready(aws, provider, call):
    aws.pace.running_after = None
    aws.add_service("web", "shop", desired=1, tags={"app": "shop"})

    [machine] = await provider.get_machines(api.GetMachines("shop", {"app": "shop"}), call())

    assert not machine.ready
    assert machine.status in {"PROVISIONING", "PENDING", "ACTIVATING"}


async def test_a_machine_whose_health_check_fails_is_not_ready(aws, provider, call):
    arn = aws.add_task("shop")
    aws.set_task_health(arn, "UNHEALTHY")

    [machine] = await provider.get_machines(api.GetMachines("shop"), call())

    assert not machine.ready


async def test_machines_of_other_clusters_are_not_listed(aws, provider, call):
    ours = ids([aws.add_task("shop", tags={"app": "shop"})])
    aws.add_task("shop-2", tags={"app": "shop"})
    aws.add_service("web", "other", desired=2, tags={"app": "shop"}, propagate_tags=False)
    mine = aws.add_service("web", "shop", desired=1, tags={"app": "x"}, propagate_tags=False)

    assert mine["runningCount"] == 1
    assert await found(provider, call, app="shop") == ours
    assert len(await found(provider, call)) == 2


async def test_a_machine_carries_the_labels_of_its_service(aws, provider, call):
    aws.add_service("web", "shop", desired=2, tags={"app": "shop"}, propagate_tags=False)

    assert len(await found(provider, call, app="shop")) == 2


async def test_tagged_and_untagged_machines_are_found_together(aws, provider, call):
    aws.add_service("web", "shop", desired=3, tags={"app": "shop"}, propagate_tags=False)
    alone = aws.add_task("shop", tags={"app": "shop"})
    first = aws.tasks("shop", "web")[0]["taskArn"]
    aws.set_task_tags(first, {"app": "shop"})

    assert len(await found(provider, call, app="shop")) == 4
    assert ids([alone, first]) <= await found(provider, call, app="shop")


async def test_other_tags_of_a_machine_do_not_hide_the_labels_of_its_service(aws, provider, call):
    aws.add_service(
        "web",
        "shop",
        desired=2,
        tags={"app": "shop", "version": "1"},
        propagate_tags=False,
        task_tags={"application-id": "7", "aws:ecs:serviceName": "web"},
    )

    assert len(await found(provider, call, app="shop", version="1")) == 2


async def test_searched_labels_may_be_split_between_a_machine_and_its_service(aws, provider, call):
    for app in ("shop", "other"):
        aws.add_service(app, "shop", desired=2, tags={"app": app, "x": "1"}, propagate_tags=False)
    [first, second] = (task["taskArn"] for task in aws.tasks("shop", "shop"))
    stranger = aws.tasks("shop", "other")[0]["taskArn"]
    aws.set_task_tags(first, {"id": "7"})
    aws.set_task_tags(second, {"id": "8"})
    aws.set_task_tags(stranger, {"id": "7"})

    assert await found(provider, call, app="shop", id="7") == ids([first])
    assert await found(provider, call, app="shop", id="7", x="1") == ids([first])
    assert await found(provider, call, x="1", id="7") == ids([first, stranger])


async def test_a_label_of_a_machine_overrides_the_label_of_its_service(aws, provider, call):
    aws.add_service("web", "shop", desired=2, tags={"track": "blue"}, propagate_tags=False)
    first = aws.tasks("shop")[0]["taskArn"]
    aws.set_task_tags(first, {"track": "green"})

    assert await found(provider, call, track="green") == ids([first])
    assert len(await found(provider, call, track="blue")) == 1


async def test_many_services_with_a_label_are_searched_in_one_list(aws, provider, call):
    for number in range(12):
        aws.add_service(
            f"web-{number}", "shop", desired=1, tags={"team": "a"}, propagate_tags=False
        )
    aws.add_service("other", "shop", desired=1)
    aws.calls.clear()

    assert len(await found(provider, call, team="a")) == 12
    assert aws.calls.count("ecs:ListTasks") == 1


async def test_deleted_services_do_not_fail_a_search(aws, provider, call):
    aws.add_service("old", "shop", desired=1, tags={"app": "shop"}, propagate_tags=False)
    aws.add_service("new", "shop", desired=1, tags={"app": "shop"}, propagate_tags=False)
    await provider.delete_controller(api.DeleteController("shop", "old"), call())

    machines = await provider.get_machines(api.GetMachines("shop", {"app": "shop"}), call())

    assert [machine.controller.name for machine in machines] == ["new"]


@pytest.mark.parametrize("labels", [{}, {"app": "shop"}])
async def test_a_cluster_without_machines_is_empty(aws, provider, call, labels):
    aws.add_cluster("shop")

    assert await provider.get_machines(api.GetMachines("shop", labels), call()) == []


async def test_a_cluster_may_be_named_by_its_arn(aws, provider, call):
    service = aws.add_service("web", "shop", desired=1, tags={"app": "shop"})

    assert len(await found(provider, call, service["clusterArn"], app="shop")) == 1
    assert len(await found(provider, call, service["clusterArn"])) == 1


async def test_short_pages_of_the_tag_index_are_followed(aws, provider, call):
    aws.add_service("web", "shop", desired=7, tags={"app": "shop"})
    aws.pace.resources_per_page = 2

    assert len(await found(provider, call, app="shop")) == 7
    assert aws.calls.count("tag:GetResources") >= 4
