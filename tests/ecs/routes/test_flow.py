"""Versions of an application from their workloads over route plans to their end."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Object
from tests.calls import ample
from tests.ecs.routes.listeners import apply, present, read, routes
from tests.ecs.routes.plans import APPLICATION, CLUSTER, default, query
from tests.ecs.workloads import builders
from worker.providers.ecs.provider import EcsProvider


@pytest.fixture
def aws(aws):
    aws.add_cluster(CLUSTER)
    return aws


async def roll_out(provider: EcsProvider, version: str) -> Object:
    name = f"{APPLICATION}-{version}"
    labels = {"plt.dev/version": version}
    given = {"name": name, "appName": APPLICATION, "image": "registry.example/orders:1"}
    operation = api.ApplyWorkload(CLUSTER, {**given, "labels": labels})
    return await provider.apply_workload(operation, ample())


async def test_a_version_is_rolled_out_pinned_replaced_and_expired(aws):
    aws.add_listener()
    async with builders.worker(aws) as provider:
        for version in ("v1", "v2"):
            await roll_out(provider, version)
        await apply(provider, default("v1"))
        await apply(provider, query("v1"), default("v2"), generation=13)
        assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v1", "v2"]

        await apply(provider, default("v2"), generation=14)
        await provider.delete_controller(api.DeleteController(CLUSTER, "orders-v1"), ample())

        assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v2"]
        assert len(present(aws)) == 1


async def test_a_version_that_ends_while_it_is_pinned_takes_its_pin_along(aws):
    aws.add_listener()
    async with builders.worker(aws) as provider:
        for version in ("v1", "v2"):
            await roll_out(provider, version)
        await apply(provider, query("v1"), default("v2"))

        await provider.delete_controller(api.DeleteController(CLUSTER, "orders-v1"), ample())

        assert [rule["versionId"] for rule in (await read(provider))["rules"]] == ["v2"]
        told = await apply(provider, default("v2"), generation=13)
        assert told == {"appName": APPLICATION, "created": 1, "deleted": 1}
        assert len(routes(aws)) == 1


async def test_a_service_from_before_the_listener_is_routed_once_its_workload_is_applied_again(aws):
    async with builders.worker(aws) as provider:
        await roll_out(provider, "v1")
    aws.add_listener()
    async with builders.worker(aws) as provider:
        with pytest.raises(Fault, match="Apply its workload again") as raised:
            await apply(provider, default("v1"))
        assert raised.value.code is Code.INVALID

        await roll_out(provider, "v1")
        await apply(provider, default("v1"))

    assert len(routes(aws)) == 1
