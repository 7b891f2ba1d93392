"""All spellings of a service have one address and one name in AWS."""

from typing import Any

import pytest

from contracts import api
from contracts.address import address

ECS_NAME = "my-app-v1-2-3-4f878d"


def spellings(service: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (scope, name)
        for scope in ("shop", service["clusterArn"])
        for name in ("my-app-v1.2.3", ECS_NAME, service["serviceArn"])
    ]


async def test_each_spelling_scales_and_reads_the_same_service_at_the_same_address(
    aws, provider, call
):
    service = aws.add_service(ECS_NAME, "shop", desired=1)
    wanted = [2, 3, 4, 5, 6, 7]

    for (scope, name), replicas in zip(spellings(service), wanted, strict=True):
        scale = api.UpdateControllerReplicas(scope, name, replicas)
        assert address(scale) == f"controllers.shop.{ECS_NAME}"
        assert (await provider.update_controller_replicas(scale, call())).name == ECS_NAME
        assert aws.service(ECS_NAME, "shop")["desiredCount"] == replicas

        read = api.GetController(scope, name)
        assert address(read) == address(scale)
        assert (await provider.get_controller(read, call())).controller.replicas == replicas


@pytest.mark.parametrize("spelling", range(6))
async def test_each_spelling_deletes_the_same_service(aws, provider, call, spelling):
    service = aws.add_service(ECS_NAME, "shop", desired=1)
    scope, name = spellings(service)[spelling]

    await provider.delete_controller(api.DeleteController(scope, name), call())

    assert aws.service(ECS_NAME, "shop")["status"] != "ACTIVE"


async def test_a_workload_has_the_address_of_its_service(aws):
    assert address(api.ApplyWorkload("shop", {"name": "my-app-v1.2.3", "image": "x"})) == (
        f"controllers.shop.{ECS_NAME}"
    )
