"""Service endpoints: selection by labels, ports, host names."""

from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import UNSET, Struct

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import load
from contracts.resources import ServiceEndpoint
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.opened import open_provider
from worker.provider import Call
from worker.providers.ecs.aws.client import connect
from worker.providers.ecs.provider import EcsProvider
from worker.providers.ecs.settings import Settings


async def endpoints(
    provider: EcsProvider, call: Callable[[], Call], **labels: str
) -> list[ServiceEndpoint]:
    return await provider.get_services_by_labels(api.GetServicesByLabels("shop", labels), call())


@pytest.fixture
async def with_cloud_map(aws: AwsSandbox) -> AsyncIterator[EcsProvider]:
    """A provider that is configured with the namespace apps.internal."""
    aws.add_cloud_map_namespace("apps.internal")
    async with open_provider(aws.environment) as opened:
        yield opened


async def test_services_are_found_by_all_their_labels(aws, provider, call):
    aws.add_service("blue", "shop", desired=0, tags={"app": "shop", "track": "blue"})
    aws.add_service("green", "shop", desired=0, tags={"app": "shop", "track": "green"})
    aws.add_service("other", "elsewhere", desired=0, tags={"app": "shop", "track": "green"})

    assert [each.name for each in await endpoints(provider, call, app="shop")] == ["blue", "green"]
    [green] = await endpoints(provider, call, app="shop", track="green")
    assert (green.name, green.labels) == ("green", {"app": "shop", "track": "green"})
    assert green.hostname is UNSET
    assert await endpoints(provider, call, app="shop", track="red") == []


async def test_an_empty_label_map_is_invalid(aws, provider, call):
    with pytest.raises(Fault, match="at least one label") as raised:
        await endpoints(provider, call)

    assert raised.value.code is Code.INVALID
    assert len(aws.calls) == 0


async def test_the_port_behind_the_load_balancer_is_the_port_of_an_endpoint(aws, provider, call):
    aws.add_listener()
    group = aws.add_target_group("web")
    aws.add_rule(group, host="web.example")
    aws.add_service(
        "web", "shop", desired=0, tags={"app": "shop"}, container_port=8080, target_group_arn=group
    )

    [endpoint] = await endpoints(provider, call, app="shop")

    assert [port.port for port in endpoint.ports] == [8080]
    assert aws.calls.count("ecs:DescribeTaskDefinition") == 0


async def test_a_service_without_a_load_balancer_has_the_ports_of_its_containers(
    aws, provider, call
):
    aws.add_service("web", "shop", desired=0, tags={"app": "shop"}, container_port=3042)

    for _ in range(2):
        [endpoint] = await endpoints(provider, call, app="shop")
        assert [(port.port, port.protocol) for port in endpoint.ports] == [(3042, "TCP")]

    assert aws.calls.count("ecs:DescribeTaskDefinition") == 1


async def test_a_deleted_task_definition_leaves_a_service_without_ports(aws, provider, call):
    aws.add_service("web", "shop", desired=0, tags={"app": "shop"})
    aws.faults.add(
        "ecs:DescribeTaskDefinition", "ClientException", message="Unable to describe", times=1
    )

    assert [each.ports for each in await endpoints(provider, call, app="shop")] == [[]]
    assert [len(each.ports) for each in await endpoints(provider, call, app="shop")] == [1]


async def test_unreadable_ports_are_a_missing_permission(aws, provider, call):
    aws.add_service("web", "shop", desired=0, tags={"app": "shop"})
    aws.faults.deny("ecs:DescribeTaskDefinition")

    with pytest.raises(Fault, match="lacks ecs:DescribeTaskDefinition") as raised:
        await endpoints(provider, call, app="shop")

    assert raised.value.code is Code.PLATFORM_FORBIDDEN


class Entry(Struct, rename="pascal"):
    """A Cloud Map service."""

    arn: str


class Created(Struct, rename="pascal"):
    """The answer of Cloud Map's CreateService."""

    service: Entry


async def registered(aws: AwsSandbox, name: str) -> str:
    """Create a Cloud Map service and return its ARN."""
    async with connect(load(Settings, aws.environment), aws.environment) as client:
        created = await client.for_call(ample()).ask(
            "servicediscovery:CreateService",
            Created,
            Name=name,
            NamespaceId=aws.namespace_id,
            DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 60}]},
        )
    aws.calls.clear()
    return created.service.arn


async def test_a_service_in_cloud_map_has_a_hostname(aws, with_cloud_map, call):
    aws.add_service(
        "web-v1",
        "shop",
        desired=0,
        tags={"app": "shop"},
        registry_arn=await registered(aws, "web"),
    )

    for _ in range(2):
        [endpoint] = await endpoints(with_cloud_map, call, app="shop")
        assert endpoint.hostname == "web.apps.internal"
        assert [port.port for port in endpoint.ports] == [3042]
    assert aws.calls.count("servicediscovery:GetService") == 1
    assert aws.calls.count("servicediscovery:GetNamespace") == 1


async def test_a_namespace_is_read_once_for_concurrent_requests(aws, with_cloud_map, call):
    for name in ("blue", "green"):
        aws.add_service(
            name, "shop", desired=0, tags={"app": "shop"}, registry_arn=await registered(aws, name)
        )

    aws.faults.add("servicediscovery:GetNamespace", delay=0.2, times=None)

    found = await endpoints(with_cloud_map, call, app="shop")

    assert [each.hostname for each in found] == ["blue.apps.internal", "green.apps.internal"]
    assert aws.calls.count("servicediscovery:GetNamespace") == 1


async def test_cloud_map_is_not_asked_without_a_configured_namespace(aws, provider, call):
    aws.add_cloud_map_namespace("apps.internal")
    aws.add_service(
        "web", "shop", desired=0, tags={"app": "shop"}, registry_arn=await registered(aws, "web")
    )

    [endpoint] = await endpoints(provider, call, app="shop")

    assert endpoint.hostname is UNSET
    assert aws.calls.count("servicediscovery:") == 0


async def test_a_deleted_cloud_map_service_leaves_a_service_without_hostname(
    aws, with_cloud_map, call
):
    aws.add_service(
        "web", "shop", desired=0, tags={"app": "shop"}, registry_arn=await registered(aws, "web")
    )
    aws.faults.add("servicediscovery:GetService", "ServiceNotFound", times=None)

    [endpoint] = await endpoints(with_cloud_map, call, app="shop")

    assert endpoint.hostname is UNSET
