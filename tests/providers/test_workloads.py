"""The neutral workload, for every provider."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Controller, Object
from tests.providers.platforms import Platform
from worker.provider import Call, Port

CANARY = "canary-4711"


def workload(name: str = "orders-v7", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "appName": "orders",
        "version": "v7",
        "image": "registry.example/orders:7",
        "minReplicas": 2,
        "ports": {"app": 3042, "metrics": 9090},
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
        "labels": {"app.kubernetes.io/name": "orders", "plt.dev/version": "v7"},
    } | more


async def apply(
    provider: Port, platform: Platform, call: Callable[[], Call], **more: Any
) -> Object:
    return await provider.apply_workload(
        api.ApplyWorkload(platform.scope, workload(**more)), call()
    )


async def controller(provider: Port, platform: Platform, call: Callable[[], Call]) -> Controller:
    found = await provider.get_controller(api.GetController(platform.scope, "orders-v7"), call())
    return found.controller


async def test_a_workload_becomes_a_controller_of_the_wanted_size(platform, provider, call):
    answer = await apply(provider, platform, call)

    assert answer["name"] == "orders-v7"
    found = await controller(provider, platform, call)
    assert found.replicas == 2
    assert found.labels["plt.dev/version"] == "v7"


async def test_the_result_of_apply_workload_tells_whether_it_was_created(platform, provider, call):
    first = await apply(provider, platform, call)
    again = await apply(provider, platform, call, image="registry.example/orders:8")

    assert (first["name"], first["created"]) == ("orders-v7", True)
    assert (again["name"], again["created"]) == ("orders-v7", False)


async def test_the_machines_of_a_workload_have_its_labels(platform, provider, call):
    await apply(provider, platform, call)

    labels = {"app.kubernetes.io/name": "orders", "app.kubernetes.io/instance": "orders-v7"}
    machines = await provider.get_machines(api.GetMachines(platform.scope, labels), call())

    assert [machine.controller.name for machine in machines] == ["orders-v7"] * 2
    assert {machine.image for machine in machines} == {"registry.example/orders:7"}


@pytest.mark.parametrize(
    ("more", "absent"),
    [
        ({"hostname": f"{'feature-' * 8}branch.preview.example"}, "plt.dev/hostname"),
        ({"hostname": "*.preview.example"}, "plt.dev/hostname"),
        ({"hostname": "preview.example.:8080"}, "plt.dev/hostname"),
        ({"hostname": "b\u00fccher.example"}, "plt.dev/hostname"),
        ({"version": "v1 of " + "7" * 64, "labels": {}}, "plt.dev/version"),
        ({"appName": "a long name " * 9, "labels": {}}, "app.kubernetes.io/name"),
    ],
)
async def test_a_field_that_is_not_a_valid_label_value_is_left_out_of_the_labels(
    platform, provider, call, more, absent
):
    usual = {"hostname": "orders.example"}
    await apply(provider, platform, call, **usual | more)

    machines = await provider.get_machines(api.GetMachines(platform.scope, {}), call())

    derived = {"plt.dev/hostname", "plt.dev/version", "app.kubernetes.io/name"}
    for machine in machines:
        assert derived & machine.labels.keys() == derived - {absent}


async def test_the_endpoint_of_a_workload_is_found_by_its_labels(platform, provider, call):
    await apply(provider, platform, call)

    [endpoint] = await provider.get_services_by_labels(
        api.GetServicesByLabels(
            platform.scope, {"app.kubernetes.io/name": "orders", "plt.dev/version": "v7"}
        ),
        call(),
    )

    assert endpoint.name == "orders-v7"
    assert endpoint.ports[0].port == 3042
    none = {"app.kubernetes.io/name": "orders", "plt.dev/version": "v8"}
    assert (
        await provider.get_services_by_labels(api.GetServicesByLabels(platform.scope, none), call())
        == []
    )


@pytest.mark.parametrize("running", [0, 1, 5])
async def test_applying_a_workload_again_keeps_its_size(platform, provider, call, running):
    await apply(provider, platform, call)
    await provider.update_controller_replicas(
        api.UpdateControllerReplicas(platform.scope, "orders-v7", running), call()
    )

    await apply(provider, platform, call, image="registry.example/orders:8")

    assert (await controller(provider, platform, call)).replicas == running


async def test_concurrent_applications_of_the_same_workload_succeed(platform, provider, call):
    await asyncio.gather(*(apply(provider, platform, call) for _ in range(3)))

    assert (await controller(provider, platform, call)).replicas == 2


async def test_no_result_contains_the_pull_secret(platform, provider, call):
    secret = {"registry": "registry.example", "username": "ci", "password": CANARY}

    answer = await apply(provider, platform, call, pullSecret=secret)

    assert CANARY not in str(answer)
    assert CANARY not in str(await controller(provider, platform, call))


@pytest.mark.parametrize(
    "wrong", [{"image": None}, {"image": 7}, {"name": "a/b"}, {"minReplicas": -1}, {"env": "A=1"}]
)
async def test_a_malformed_workload_is_invalid(platform, provider, call, wrong):
    with pytest.raises(Fault) as raised:
        await apply(provider, platform, call, **wrong)

    assert raised.value.code is Code.INVALID


@pytest.mark.parametrize("path", ["ready", "", "/a b", "/a#b", "https://a/"])
async def test_a_health_check_that_is_not_a_path_is_invalid(platform, provider, call, path):
    for member in ("readyPath", "livePath"):
        with pytest.raises(Fault, match=member) as raised:
            await apply(provider, platform, call, healthCheck={member: path})

        assert raised.value.code is Code.INVALID
    assert platform.writes == 0


@pytest.mark.parametrize(
    "resources",
    [
        {"limits": {"memory": "lots"}},
        {"limits": {"memory": "512m"}},
        {"limits": {"cpu": "0"}},
        {"requests": {"cpu": "-1"}},
        {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
        {"requests": {"colour": "1"}},
        {"limits": {"cpu": 1e30}},
        {"limits": {"cpu": "500M"}},
        {"requests": {"cpu": "8193"}},
        {"limits": {"memory": "99999999999999999999Ei"}},
        {"requests": {"memory": "5Pi"}},
    ],
)
async def test_an_impossible_quantity_is_invalid_before_any_request(
    platform, provider, call, resources
):
    with pytest.raises(Fault, match=r"workload\.resources") as raised:
        await apply(provider, platform, call, resources=resources)

    assert raised.value.code is Code.INVALID
    assert platform.writes == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": " "},
        {"image": "x\ny"},
        {"image": "a b"},
        {"hostname": "http://x"},
        {"hostname": "x/"},
        {"hostname": "a..b"},
        {"hostname": "a\nb"},
        {"hostname": "a b"},
        {"hostname": "a" * 254},
    ],
)
async def test_a_malformed_image_or_hostname_is_invalid_before_any_request(
    platform, provider, call, wrong
):
    [member, *_] = wrong
    with pytest.raises(Fault, match=rf"workload\.{member}: expected") as raised:
        await apply(provider, platform, call, **wrong)

    assert raised.value.code is Code.INVALID
    assert platform.writes == 0


async def test_a_service_is_deleted(platform, provider, call):
    await apply(provider, platform, call)

    answer = await provider.delete_service(api.DeleteService(platform.scope, "orders-v7"), call())

    # On ECS a service is deleted with its controller, and not before.
    assert answer == {"name": "orders-v7", "deleted": platform.name != "ecs"}
