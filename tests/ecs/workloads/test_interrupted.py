"""A repeat completes an operation whose worker lost its fence between any two requests."""

import time
from contextlib import suppress
from typing import Any

import pytest

from contracts.faults import Code, Fault
from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.workloads.builders import CLUSTER, NAME, apply, delete, worker
from tests.ecs.workloads.inventory import NOTHING, inventory
from worker.provider import Call

CREATING, UPDATING, DELETING = 16, 10, 13
"""The number of requests of each operation."""
NEWER: dict[str, Any] = {
    "image": "reg.example.com/x:8",
    "labels": {"tier": "web"},
    "pullSecret": {"registry": "reg.example.com", "username": "ci", "password": "new"},
    "ports": {"app": 8080},
    "healthCheck": {"readyPath": "/healthy"},
}
WHOLE = {
    "services": [NAME],
    "secrets": [f"{NAME}-pull"],
    "names": [NAME],
    "target groups": ["orders-api-v7-1d1284"],
    "rules": 1,
}


@pytest.fixture
def aws(aws):
    aws.add_listener()
    aws.add_cloud_map_namespace("apps.internal")
    return aws


def interrupted(aws: AwsSandbox, after: int) -> Call:
    """A call whose fence closes after a number of requests."""
    aws.calls.clear()
    return Call(time.monotonic() + 10, lambda: len(aws.calls) < after)


@pytest.mark.parametrize("after", range(CREATING + 1))
async def test_a_repeat_completes_an_interrupted_creation(aws, after):
    async with worker(aws) as provider:
        if after < CREATING:
            with pytest.raises(Fault) as raised:
                await apply(provider, interrupted(aws, after))
            assert raised.value.code is Code.DEADLINE_EXCEEDED
            assert len(aws.calls) == after
        else:
            await apply(provider, interrupted(aws, after))

        await apply(provider)
        found = inventory(aws)
        assert found.pop("task definitions") == [f"{NAME}:1"]
        assert found == WHOLE

        await delete(provider)
        assert inventory(aws) == NOTHING | {"task definitions": [f"{NAME}:1"]}


@pytest.mark.parametrize("after", range(UPDATING + 1))
async def test_a_repeat_completes_an_interrupted_update(aws, after):
    async with worker(aws) as provider:
        await apply(provider)
        if after < UPDATING:
            with pytest.raises(Fault):
                await apply(provider, interrupted(aws, after), **NEWER)
            assert len(aws.calls) == after
        else:
            await apply(provider, interrupted(aws, after), **NEWER)

        answer = await apply(provider, **NEWER)

    service = aws.service(NAME, CLUSTER)
    assert service["taskDefinition"] == answer["taskDefinitionArn"]
    assert service["loadBalancers"][0]["containerPort"] == 8080
    assert {"key": "tier", "value": "web"} in service["tags"]
    [group] = aws.account.balancing.target_groups.values()
    assert (group.health_check_path, group.health_check_port) == ("/healthy", "traffic-port")
    found = inventory(aws)
    assert found.pop("task definitions") == [f"{NAME}:1", f"{NAME}:2"]
    assert found == WHOLE


@pytest.mark.parametrize("after", range(DELETING))
async def test_a_repeat_completes_a_deletion_interrupted_at_any_request(aws, after):
    async with worker(aws) as provider:
        await apply(provider)
        is_complete = False
        with suppress(Fault):
            is_complete = "left" not in await delete(provider, interrupted(aws, after))
        # Requests that are sent at once pass the fence together: they may be the last ones.
        assert is_complete == (len(aws.calls) == DELETING)

        if not is_complete:
            assert await delete(provider) == {"name": NAME, "deleted": True}

    assert inventory(aws) == NOTHING | {"task definitions": [f"{NAME}:1"]}
